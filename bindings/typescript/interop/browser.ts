/**
 * `node browser.mjs CHROMIUM PROFILE ORIGIN join RELAY CODE`, or a step of the
 * scenario: a browser of its own each time, on the same profile.
 */
import { chromium } from "playwright-core";
import type { Page } from "./page";
import type { Step } from "./scenario";

declare const page: Page;

const [executablePath = "", profile = "", origin = "", word = "", ...rest] =
	process.argv.slice(2);
const step = word as Step | "join";
const [relay = "", code = ""] = rest;

const context = await chromium.launchPersistentContext(profile, {
	executablePath,
	headless: true,
	args: [
		"--no-sandbox",
		"--disable-gpu",
		"--disable-quic",
		"--no-first-run",
		"--disable-background-networking",
		"--disable-component-update",
		"--disable-sync",
	],
});

async function open() {
	const tab = await context.newPage();
	tab.on("console", (message) => console.error(message.text()));
	tab.on("pageerror", (error) => console.error(error));
	await tab.goto(origin);
	return tab;
}

try {
	const tab = await open();
	if (step === "join") {
		const who = await tab.evaluate(([relay, code]) => page.join(relay, code), [
			relay,
			code,
		] as const);
		console.log(JSON.stringify(who));
	} else {
		const found = await tab.evaluate((step) => page.step(step), step);
		if (step === "read") {
			// Another tab is told who owns the account; a reload gives it back.
			const second = await open();
			const refused = await second.evaluate(() => page.refused());
			if (refused !== "store.in-use") {
				throw new Error(`a second tab opened the account: ${refused}`);
			}
			await second.close();
			await tab.reload();
			const again = await tab.evaluate((step) => page.step(step), step);
			if (JSON.stringify(again) !== JSON.stringify(found)) {
				throw new Error("a reload reads something else");
			}
			// For people to look at.
			await tab.screenshot({ path: `${profile}.png` });
		}
		console.log(JSON.stringify(found));
	}
} finally {
	await context.close();
}
