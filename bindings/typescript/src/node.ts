/** Accounts in Node: the core as an addon, the database in a folder. */
import { createRequire } from "node:module";
import { Account, type Port, readError, type Ticket } from "./account";

export * from "./account";

/** An account of the addon. */
interface NativeAccount {
	ask(query: string): Promise<string>;
	/** The listener hears events, then an empty text. */
	sync(listener: (event: string) => void): Promise<string>;
}

/** What the addon `stunity.node` exports. */
interface Addon {
	openAccount(folder: string): Promise<NativeAccount>;
	joinAccount(
		folder: string,
		relay: string,
		ticket: string,
	): Promise<NativeAccount>;
}

class NodePort implements Port {
	readonly #native: NativeAccount;

	constructor(native: NativeAccount) {
		this.#native = native;
	}

	ask(query: string): Promise<string> {
		return this.#native.ask(query);
	}

	async sync(onEvent: (event: string) => void): Promise<string> {
		let heardAll = () => {};
		const heard = new Promise<void>((resolve) => {
			heardAll = resolve;
		});
		const report = this.#native.sync((event) =>
			event === "" ? heardAll() : onEvent(event),
		);
		const [done] = await Promise.all([report, heard]);
		return done;
	}
}

/** The core, loaded from a built addon. */
export class Stunity {
	readonly #addon: Addon;

	/** @param file the path of `stunity.node` */
	constructor(file: string) {
		this.#addon = createRequire(import.meta.url)(file) as Addon;
	}

	/** Opens the account in a folder. Works offline. */
	async open(folder: string): Promise<Account> {
		return account(this.#addon.openAccount(folder));
	}

	/** Joins a school: an account in an empty folder. */
	async join(folder: string, relay: string, ticket: Ticket): Promise<Account> {
		return account(
			this.#addon.joinAccount(folder, relay, JSON.stringify(ticket)),
		);
	}
}

async function account(native: Promise<NativeAccount>): Promise<Account> {
	try {
		return new Account(new NodePort(await native));
	} catch (thrown) {
		throw readError(thrown);
	}
}
