//! `cargo xtask`: everything that is done with this repository.
mod bench;
mod bindings;
mod clients;
mod demo;
mod fuzz;
mod interop;
mod layers;
mod postgres;
mod run;
mod s3;
mod steps;
mod test;
mod tools;
mod wasm;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  run             starts the relay with a demo class and prints the URL to open
  test [--quick]  everything that CI runs; --quick leaves out the slow steps
  ci              the same as test
  demo class-fortnight [--students N] [--seed N]
                  a class works offline and comes together over a 3G link
  bench [wire|relay|client|classes]
                  prints budgets beside figures, from a release build
  sim [OPTIONS]   the simulator; `sim --help` tells its options
  postgres        the tests of the relay on PostgreSQL, in a server of their own
  s3              the relay's files in a bucket, on a server of its own
  fuzz [TARGET…] [--seconds N]
                  decoders under libFuzzer, 30 seconds each
  clients         stock clients from npm against a running relay
  bindings        generates and builds what Kotlin, Swift, Node and the web need
  interop kotlin|swift|node|web
                  a pupil's device in that language against a running relay
  check-layers    whether dependencies point down
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["run"] => tools::exit(run::run()),
        ["test"] | ["ci"] => test::test(false),
        ["test", "--quick"] => test::test(true),
        ["demo", "class-fortnight", rest @ ..] => tools::exit(demo::class_fortnight(rest)),
        ["bench", rest @ ..] => tools::exit(bench::bench(rest)),
        ["sim", rest @ ..] => tools::exit(bench::sim(rest)),
        ["postgres"] => tools::exit(postgres::test().and_then(steps::Outcome::passed)),
        ["s3"] => tools::exit(s3::test().and_then(steps::Outcome::passed)),
        ["fuzz", rest @ ..] => tools::exit(fuzz::fuzz(rest)),
        ["interop", language] => tools::exit(interop::one(language)),
        ["clients"] => tools::exit(clients::test().and_then(steps::Outcome::passed)),
        ["bindings"] => tools::exit(bindings::all()),
        ["check-layers"] => tools::exit(layers::check()),
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
