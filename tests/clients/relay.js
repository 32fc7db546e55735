// What the clients' tests share: a relay, people on it, what is waited for.
import { execFileSync } from "node:child_process";

/** What the test was started with. */
function given(/** @type {string} */ name) {
	const value = process.env[name];
	if (!value) throw new Error(`${name} is not set`);
	return value;
}

export const RELAY = given("RELAY");

/** Longest that anything is waited for, milliseconds. */
const PATIENCE = 10_000;

/**
 * An answer of the API.
 * @param {string} method
 * @param {string} path
 * @param {{ token?: string, body?: unknown }} [options]
 */
export async function call(method, path, options = {}) {
	/** @type {Record<string, string>} */
	const headers = {};
	if (options.token) headers["authorization"] = `Bearer ${options.token}`;
	/** @type {RequestInit} */
	const init = { method, headers };
	if (options.body !== undefined) {
		headers["content-type"] = "application/json";
		init.body = JSON.stringify(options.body);
	}
	const response = await fetch(`${RELAY}/api/${path}`, init);
	const text = await response.text();
	return { status: response.status, body: text ? JSON.parse(text) : null };
}

/** Somebody with a device, who signs in by a password. */
export class Person {
	/** @param {string} name */
	constructor(name) {
		this.name = name;
		this.token = "";
		this.refreshToken = "";
		this.id = "";
	}

	/** @param {string} name */
	static async signedIn(name) {
		const person = new Person(name);
		const body = { login: name, password: given("PASSWORD") };
		person.take(await call("POST", "auth/login", { body }));
		return person;
	}

	async refresh() {
		const body = { refreshToken: this.refreshToken };
		this.take(await call("POST", "auth/refresh", { body }));
	}

	/** @param {{ status: number, body: any }} answer */
	take(answer) {
		if (answer.status !== 200) throw new Error(JSON.stringify(answer));
		this.token = answer.body.accessToken;
		this.refreshToken = answer.body.refreshToken;
		this.id = answer.body.userId;
	}

	/**
	 * @param {string} method
	 * @param {string} path
	 * @param {unknown} [body]
	 */
	async call(method, path, body) {
		return call(method, path, { token: this.token, body });
	}

	/**
	 * The person's device, through the `stunity` command.
	 * @param {string[]} args
	 */
	device(...args) {
		const home = `${given("HOMES")}/${this.name}`;
		const said = execFileSync(given("STUNITY"), ["--json", "--home", home, ...args]);
		return JSON.parse(said.toString());
	}
}

/**
 * A promise that ends with an error if nothing comes in time.
 * @template T
 * @param {string} what
 * @param {(resolve: (value: T) => void, reject: (error: Error) => void) => void} start
 * @param {number} [patience]
 * @returns {Promise<T>}
 */
export function within(what, start, patience = PATIENCE) {
	return new Promise((resolve, reject) => {
		const late = () => reject(new Error(`${what} did not come`));
		const timer = setTimeout(late, patience);
		start(
			(value) => {
				clearTimeout(timer);
				resolve(value);
			},
			(error) => {
				clearTimeout(timer);
				reject(error);
			},
		);
	});
}
