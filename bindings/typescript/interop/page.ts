/** The page of the scenario: the browser's driver calls these. */
import { Stunity, type Who } from "../src/web";
import { run, type Step } from "./scenario";

let stunity: Stunity | undefined;

function core(): Stunity {
	stunity ??= new Stunity("/worker.js", "/stunity.wasm");
	return stunity;
}

/** Does a step, and shows what it is and what it found. */
async function shown<T extends object>(
	step: string,
	work: Promise<T>,
): Promise<T> {
	const status = document.querySelector("[role=status]");
	const list = document.querySelector("dl");
	status?.replaceChildren(`${step}: in progress`);
	try {
		const found = await work;
		status?.replaceChildren(`${step}: done`);
		list?.replaceChildren(
			...Object.entries(found).flatMap(([name, value]) => [
				element("dt", name),
				element("dd", String(value)),
			]),
		);
		return found;
	} catch (thrown) {
		status?.replaceChildren(`${step}: failed`);
		throw thrown;
	}
}

function element(tag: "dt" | "dd", text: string): HTMLElement {
	const made = document.createElement(tag);
	made.textContent = text;
	return made;
}

async function join(relay: string, code: string): Promise<Who> {
	return (await core().join(relay, { by: "invitation", code })).who();
}

const page = {
	join(relay: string, code: string): Promise<object> {
		return shown("join", join(relay, code));
	},
	step(step: Step): Promise<object> {
		return shown(
			step,
			core()
				.open()
				.then((account) => run(account, step)),
		);
	},
	/** The code of the reason for which the account cannot be opened here. */
	async refused(): Promise<string> {
		try {
			await core().open();
			return "";
		} catch (thrown) {
			return thrown instanceof Error ? thrown.message : String(thrown);
		}
	},
};

export type Page = typeof page;

Object.assign(globalThis, { page });
