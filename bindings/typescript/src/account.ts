/**
 * An account on this device, the same in Node and in a page. Every call works
 * offline; only joining and `sync` wait for the relay.
 */
import type {
	Assignment,
	Course,
	Draft,
	Item,
	StunityError as Problem,
	Query,
	Release,
	SyncEvent,
	SyncReport,
	Unsent,
	Who,
} from "../generated/api";

export type * from "../generated/api";

/** Why a call failed. `kind` says what can be done, `code` is stable. */
export class StunityError extends Error {
	constructor(readonly problem: Problem) {
		super(problem.code);
		this.name = "StunityError";
	}

	get kind(): Problem["kind"] {
		return this.problem.kind;
	}

	get code(): string {
		return this.problem.code;
	}
}

function isProblem(value: unknown): value is Problem {
	return (
		typeof value === "object" &&
		value !== null &&
		"kind" in value &&
		"code" in value
	);
}

/** The core throws its errors as JSON in the message; anything else is as it was. */
export function readError(thrown: unknown): unknown {
	if (thrown instanceof Error && thrown.message.startsWith("{")) {
		const problem: unknown = JSON.parse(thrown.message);
		if (isProblem(problem)) {
			return new StunityError(problem);
		}
	}
	return thrown;
}

/** What carries queries to the core: Node's addon, or a page's worker. */
export interface Port {
	/** Answers a query; both are JSON. */
	ask(query: string): Promise<string>;
	/** Syncs once; events and the report are JSON. */
	sync(onEvent: (event: string) => void): Promise<string>;
}

export class Account {
	readonly #port: Port;

	constructor(port: Port) {
		this.#port = port;
	}

	async #ask<T>(query: Query): Promise<T> {
		try {
			return JSON.parse(await this.#port.ask(JSON.stringify(query))) as T;
		} catch (thrown) {
			throw readError(thrown);
		}
	}

	/** Whose device this is. */
	who(): Promise<Who> {
		return this.#ask({ ask: "who" });
	}

	/** The courses that are held, by title. */
	courses(): Promise<Course[]> {
		return this.#ask({ ask: "courses" });
	}

	/** The assignments of a course, by due time. */
	assignments(course: string): Promise<Assignment[]> {
		return this.#ask({ ask: "assignments", course });
	}

	/** Own drafts. */
	drafts(): Promise<Draft[]> {
		return this.#ask({ ask: "drafts" });
	}

	/** The newest own items, each with how far it came. */
	status(limit = 100): Promise<Item[]> {
		return this.#ask({ ask: "status", limit });
	}

	/** What has not reached the relay: for a warning before signing out. */
	unsent(): Promise<Unsent> {
		return this.#ask({ ask: "unsent" });
	}

	/** Grades of a course that were released to this account. */
	releases(course: string): Promise<Release[]> {
		return this.#ask({ ask: "releases", course });
	}

	/** Begins a draft for an assignment; its id. */
	createDraft(course: string, assignment: string): Promise<string> {
		return this.#ask({ ask: "createDraft", course, assignment });
	}

	/** Makes a draft say `text`. Once this resolves, no crash loses it. */
	writeDraft(draft: string, text: string): Promise<void> {
		return this.#ask({ ask: "writeDraft", draft, text });
	}

	/** What a draft says. */
	readDraft(draft: string): Promise<string> {
		return this.#ask({ ask: "readDraft", draft });
	}

	/** Takes back the last step of writing; false if there was none. */
	undoDraft(draft: string): Promise<boolean> {
		return this.#ask({ ask: "undoDraft", draft });
	}

	/** The writer pauses or leaves: what was typed is made ready to be sent. */
	rest(): Promise<void> {
		return this.#ask({ ask: "rest" });
	}

	/** Hands in what a draft says now, as attempt 1, 2, … */
	handIn(draft: string, attempt: number): Promise<void> {
		return this.#ask({ ask: "handIn", draft, attempt });
	}

	/**
	 * Syncs once: everything that waits goes, everything new comes. A cut is no
	 * loss: the next sync goes on from there.
	 */
	async sync(
		onEvent: (event: SyncEvent) => void = () => {},
	): Promise<SyncReport> {
		try {
			const report = await this.#port.sync((event) =>
				onEvent(JSON.parse(event) as SyncEvent),
			);
			return JSON.parse(report) as SyncReport;
		} catch (thrown) {
			throw readError(thrown);
		}
	}
}
