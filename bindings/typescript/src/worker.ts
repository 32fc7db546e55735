/**
 * The worker that owns the account: the core, its database on the origin's private
 * files, the requests of joining and the socket of a sync.
 */

import type { JoinRequest, StunityError, Ticket } from "../generated/api";
import init, {
	openStorage,
	type Storage,
	type WebAccount,
	type WebStep,
	type WebSyncing,
} from "../generated/web/stunity_wasm";
import type { Call, Reply, Request } from "./messages";

declare const self: DedicatedWorkerGlobalScope;

/** The parts of a worker's scope that are used; the page's types lack them. */
interface DedicatedWorkerGlobalScope {
	onmessage: ((event: MessageEvent<Request>) => void) | null;
	postMessage(reply: Reply): void;
}

/** A relay that says nothing for so long is gone. */
const SILENCE_MS = 60_000;

function problem(kind: StunityError["kind"], code: string): Error {
	return new Error(JSON.stringify({ kind, code }));
}

const unreachable = () => problem("unreachable", "relay.unreachable");

/** A page that is reloaded lets go of the account no later than this. */
const LETTING_GO_MS = 2_000;

/** Waits until this worker owns the account, and holds it as long as it lives. */
function own(): Promise<void> {
	return new Promise((resolve, reject) => {
		const signal = AbortSignal.timeout(LETTING_GO_MS);
		navigator.locks
			.request("stunity-account", { signal }, () => {
				resolve();
				return new Promise(() => {});
			})
			.catch(() => reject(problem("inUse", "store.in-use")));
	});
}

let storage: Promise<Storage> | undefined;
let account: WebAccount | undefined;

async function openOnce(module: string): Promise<Storage> {
	await own();
	await init({ module_or_path: module });
	return openStorage();
}

/** The origin's files; opened once, or tried again after another page let go. */
function files(module: string): Promise<Storage> {
	storage ??= openOnce(module).catch((error: unknown) => {
		storage = undefined;
		throw error;
	});
	return storage;
}

function opened(): WebAccount {
	if (account === undefined) {
		throw problem("invalid", "account.none");
	}
	return account;
}

async function fetchAnswer({ url, body }: JoinRequest): Promise<Response> {
	const options: RequestInit =
		body === null
			? {}
			: {
					method: "POST",
					body,
					headers: { "content-type": "application/json" },
				};
	try {
		return await fetch(url, options);
	} catch {
		throw unreachable();
	}
}

async function join(
	files: Storage,
	relay: string,
	ticket: Ticket,
): Promise<WebAccount> {
	const joining = files.join(relay, JSON.stringify(ticket));
	for (;;) {
		const request = joining.request();
		if (request === undefined) {
			throw problem("failed", "account.malformed");
		}
		const answer = await fetchAnswer(JSON.parse(request) as JoinRequest);
		const body = new Uint8Array(await answer.arrayBuffer());
		const joined = joining.onAnswer(answer.status, body);
		if (joined !== undefined) {
			return joined;
		}
	}
}

/** One connection of a session: true if the session wants another. */
function connect(
	syncing: WebSyncing,
	onEvent: (event: string) => void,
): Promise<boolean> {
	return new Promise((resolve, reject) => {
		const socket = new WebSocket(syncing.url());
		socket.binaryType = "arraybuffer";
		let silence: ReturnType<typeof setTimeout>;
		const end = (finish: () => void) => {
			clearTimeout(silence);
			socket.onmessage = null;
			socket.onclose = null;
			socket.close();
			finish();
		};
		const listen = () => {
			clearTimeout(silence);
			silence = setTimeout(() => end(() => reject(unreachable())), SILENCE_MS);
		};
		listen();
		socket.onclose = () => end(() => reject(unreachable()));
		socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
			listen();
			let step: WebStep;
			try {
				step = syncing.onFrame(new Uint8Array(data));
			} catch (error) {
				end(() => reject(error));
				return;
			}
			for (const bytes of step.send as Uint8Array<ArrayBuffer>[]) {
				socket.send(bytes);
			}
			for (const event of JSON.parse(step.events) as unknown[]) {
				onEvent(JSON.stringify(event));
			}
			if (step.done || step.again) {
				end(() => resolve(step.again));
			}
		};
	});
}

async function sync(onEvent: (event: string) => void): Promise<string> {
	const syncing = opened().beginSync();
	while (await connect(syncing, onEvent)) {
		// The next connection goes on with the same session.
	}
	return syncing.report();
}

async function perform(
	call: Call,
	onEvent: (event: string) => void,
): Promise<string> {
	switch (call.do) {
		case "open":
			account ??= (await files(call.module)).open();
			return "";
		case "join":
			account = await join(await files(call.module), call.relay, call.ticket);
			return "";
		case "ask":
			return opened().ask(call.query);
		case "sync":
			return sync(onEvent);
	}
}

self.onmessage = ({ data: { id, ...call } }) => {
	perform(call, (event) => self.postMessage({ id, is: "event", event })).then(
		(value) => self.postMessage({ id, is: "done", value }),
		(error: unknown) =>
			self.postMessage({
				id,
				is: "failed",
				message: error instanceof Error ? error.message : String(error),
			}),
	);
};
