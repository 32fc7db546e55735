/**
 * What a pupil's device does in the scenario that every language runs. Each step is
 * a run of its own: what it needs it reads from the device's database.
 */
import { type Account, type Item, StunityError } from "../src/account";

export type Step = "learn" | "write" | "send" | "read";

const FIRST = "I pushed a door.";
const TEXT = `${FIRST} ខ្ញុំបានរុញទ្វារ។`;
/** The event type of a submission. */
const SUBMIT = 65;

function check(holds: boolean, what: string): asserts holds {
	if (!holds) {
		throw new Error(`expected: ${what}`);
	}
}

async function submission(account: Account): Promise<Item> {
	const items = await account.status();
	const found = items.find((item) => item.event === SUBMIT);
	check(found !== undefined, "a submission among the own items");
	return found;
}

/** The one course and its one assignment. */
async function task(account: Account) {
	const [course] = await account.courses();
	check(course !== undefined, "a course");
	const [assignment] = await account.assignments(course.id);
	check(assignment !== undefined, "an assignment");
	return { course, assignment };
}

async function learn(account: Account) {
	const events: string[] = [];
	const report = await account.sync((event) => events.push(event.is));
	check(report.caughtUp, "caught up");
	check(events.includes("caughtUp"), "an observer that hears it");
	const { course, assignment } = await task(account);
	return { course: course.title, assignment: assignment.title };
}

/** Offline: the relay is away. */
async function write(account: Account) {
	const { course, assignment } = await task(account);
	const draft = await account.createDraft(course.id, assignment.id);
	await account.writeDraft(draft, FIRST);
	await account.writeDraft(draft, TEXT);
	await account.writeDraft(draft, "");
	check(await account.undoDraft(draft), "something to undo");
	check((await account.readDraft(draft)) === TEXT, "the text before");
	await account.handIn(draft, 1);
	await account.rest();
	const failed = await account.sync().catch((error: unknown) => error);
	check(failed instanceof StunityError, "a sync that fails");
	check(failed.kind === "unreachable", "a reason that says to try again");
	const unsent = await account.unsent();
	check(unsent.waiting > 0 && unsent.refused === 0, "work that waits");
	return { text: TEXT, state: (await submission(account)).state.is };
}

async function send(account: Account) {
	const report = await account.sync();
	check(report.caughtUp, "caught up");
	const unsent = await account.unsent();
	check(unsent.waiting === 0 && unsent.refused === 0, "nothing that waits");
	return { state: (await submission(account)).state.is };
}

/** Offline again, after the teacher graded. */
async function read(account: Account) {
	const { course } = await task(account);
	const [draft] = await account.drafts();
	const [release] = await account.releases(course.id);
	return {
		text: draft?.text,
		points: release?.points,
		feedback: release?.feedback,
		state: (await submission(account)).state.is,
	};
}

const STEPS = { learn, write, send, read };

/** Runs a step; what it found. */
export function run(account: Account, step: Step): Promise<object> {
	return STEPS[step](account);
}
