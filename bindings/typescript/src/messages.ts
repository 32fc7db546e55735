/** What a page and its worker say to each other. */
import type { Ticket } from "../generated/api";

/** A call of the page. */
export type Call =
	| { do: "open"; module: string }
	| { do: "join"; module: string; relay: string; ticket: Ticket }
	| { do: "ask"; query: string }
	| { do: "sync" };

/** A call with its number. */
export type Request = Call & { id: number };

/** What the worker says of the call with this number. */
export type Reply =
	| { id: number; is: "done"; value: string }
	| { id: number; is: "event"; event: string }
	| { id: number; is: "failed"; message: string };
