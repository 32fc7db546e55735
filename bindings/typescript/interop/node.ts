/** `node node.mjs ADDON FOLDER join RELAY CODE`, or a step of the scenario. */
import { Stunity } from "../src/node";
import { run, type Step } from "./scenario";

const [addon = "", folder = "", step = "", relay = "", code = ""] =
	process.argv.slice(2);
const stunity = new Stunity(addon);
const found =
	step === "join"
		? await (
				await stunity.join(folder, relay, { by: "invitation", code })
			).who()
		: await run(await stunity.open(folder), step as Step);
console.log(JSON.stringify(found));
