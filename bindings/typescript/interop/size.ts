/** `node size.mjs BUILT SMALL`: prints what a browser downloads, and holds it to the budget. */
import { readFileSync } from "node:fs";
import { brotliCompressSync, constants } from "node:zlib";

/** Bytes of the module after Brotli. */
const BUDGET = 1_300_000;

const [built = "", small = ""] = process.argv.slice(2);
const module = readFileSync(small);
const brotli = brotliCompressSync(module, {
	params: {
		[constants.BROTLI_PARAM_QUALITY]: 11,
		[constants.BROTLI_PARAM_LGWIN]: 24,
		[constants.BROTLI_PARAM_SIZE_HINT]: module.length,
	},
});
const bytes = (count: number) => count.toLocaleString("en");
console.log(
	`stunity.wasm: ${bytes(readFileSync(built).length)} B built, ` +
		`${bytes(module.length)} B after wasm-opt, ` +
		`${bytes(brotli.length)} B after Brotli (at most ${bytes(BUDGET)})`,
);
process.exitCode = brotli.length <= BUDGET ? 0 : 1;
