/** Accounts in a page: the core runs in a worker, the database is the origin's. */
import { Account, type Port, readError, type Ticket } from "./account";
import type { Call, Reply } from "./messages";

export * from "./account";

interface Waiting {
	resolve(value: string): void;
	reject(error: Error): void;
	onEvent(event: string): void;
}

/** The core in its worker. One page of an origin at a time owns the account. */
export class Stunity implements Port {
	readonly #worker: Worker;
	readonly #module: string;
	readonly #waiting = new Map<number, Waiting>();
	#next = 0;

	/**
	 * @param worker the URL of the bundled `worker.ts`
	 * @param module the URL of `stunity.wasm`
	 */
	constructor(worker: string | URL, module: string | URL) {
		this.#module = new URL(module, location.href).href;
		this.#worker = new Worker(worker, { type: "module" });
		this.#worker.onmessage = ({ data }: MessageEvent<Reply>) => this.#on(data);
		this.#worker.onerror = ({ message }) => this.#fail(new Error(message));
	}

	/** Opens the account of this origin. Works offline. */
	async open(): Promise<Account> {
		return this.#account({ do: "open", module: this.#module });
	}

	/** Joins a school: the origin's account. */
	async join(relay: string, ticket: Ticket): Promise<Account> {
		return this.#account({ do: "join", module: this.#module, relay, ticket });
	}

	async #account(call: Call): Promise<Account> {
		try {
			await this.#call(call);
			return new Account(this);
		} catch (thrown) {
			throw readError(thrown);
		}
	}

	ask(query: string): Promise<string> {
		return this.#call({ do: "ask", query });
	}

	sync(onEvent: (event: string) => void): Promise<string> {
		return this.#call({ do: "sync" }, onEvent);
	}

	/** Lets go of the account, so that another page may own it. */
	close(): void {
		this.#worker.terminate();
		this.#fail(new Error("closed"));
	}

	#call(
		call: Call,
		onEvent: (event: string) => void = () => {},
	): Promise<string> {
		return new Promise((resolve, reject) => {
			const id = this.#next++;
			this.#waiting.set(id, { resolve, reject, onEvent });
			this.#worker.postMessage({ ...call, id });
		});
	}

	#on(reply: Reply): void {
		const waiting = this.#waiting.get(reply.id);
		if (waiting === undefined) {
			return;
		}
		if (reply.is === "event") {
			waiting.onEvent(reply.event);
			return;
		}
		this.#waiting.delete(reply.id);
		if (reply.is === "done") {
			waiting.resolve(reply.value);
		} else {
			waiting.reject(new Error(reply.message));
		}
	}

	/** The worker is gone: nothing that waits will be answered. */
	#fail(error: Error): void {
		for (const waiting of this.#waiting.values()) {
			waiting.reject(error);
		}
		this.#waiting.clear();
	}
}
