/** The page of the scenario: the browser's driver calls these. */
import { Stunity } from "../src/web";
import { run, type Step } from "./scenario";

let stunity: Stunity | undefined;

function core(): Stunity {
	stunity ??= new Stunity("/worker.js", "/stunity.wasm");
	return stunity;
}

const page = {
	async join(relay: string, code: string): Promise<object> {
		return (await core().join(relay, { by: "invitation", code })).who();
	},
	async step(step: Step): Promise<object> {
		return run(await core().open(), step);
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
