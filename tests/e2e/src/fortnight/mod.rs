//! A class works a fortnight offline and comes together over a recorded 3G link that
//! is cut every 20 KB, while devices and the relay are killed: every process is real.
mod class;
mod world;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use stunity_e2e::{Trace, TraceLink};

use self::class::Class;
use self::world::{Device, Dice, World, start_relay};

type Done<T> = Result<T, String>;

/// Bytes after which a connection is cut.
const CUT: i64 = 20 * 1024;

fn io(error: std::io::Error) -> String {
    error.to_string()
}

/// Runs the fortnight and checks what came of it.
pub fn run(bin: PathBuf, links: &Path, students: usize, seed: u64) -> Done<()> {
    if students < 6 {
        return Err("at least 6 students".into());
    }
    let trace = |way: &str| Trace::read(&links.join(format!("Verizon-EVDO-driving.{way}")));
    let traces = (trace("up")?, trace("down")?);
    let folder = tempfile::tempdir().map_err(io)?;
    let (relay, address) = start_relay(&bin, &folder.path().join("relay"), "127.0.0.1:0")?;
    let world = World {
        bin,
        folder,
        relay: Mutex::new(relay),
        address,
        running: Mutex::new(BTreeMap::new()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(io)?;
    let mut dice = Dice(seed);
    let mut devices = Vec::new();
    for at in 0..students + 3 {
        let name = match at {
            0 => "teacher-phone".to_owned(),
            1 => "teacher-tablet".to_owned(),
            2 => "teacher-two".to_owned(),
            _ => format!("student-{}", at - 2),
        };
        let offset = dice.next(60_000);
        let link = TraceLink::new(world.address, traces.clone(), offset, CUT);
        devices.push(Device {
            home: world.folder.path().join(&name),
            name,
            account: String::new(),
            link: runtime.block_on(link).map_err(io)?,
            took: Mutex::default(),
            killed: AtomicU64::new(0),
        });
    }
    let class = Class::gather(&world, &mut devices)?;
    class.fortnight(&world, &devices)?;
    println!("the network is back: {} devices", devices.len());
    let start = Instant::now();
    let mut relay_kills = 0;
    // What the last device brought, the first has not seen yet.
    for _ in 0..2 {
        relay_kills += world.reconnect(&devices, &mut dice)?;
    }
    println!("all came back after {:.1} s", start.elapsed().as_secs_f64());
    class.check(&world, &devices)?;
    table(&devices, relay_kills);
    Ok(())
}

fn table(devices: &[Device], relay_kills: u64) {
    println!(
        "\n{:<16} {:>8} {:>8} {:>6} {:>6} {:>6} {:>7}",
        "device", "up B", "down B", "links", "trips", "kills", "time s"
    );
    let mut total = [0; 2];
    for device in devices {
        let carried = &device.link.carried;
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let (up, down) = (count(&carried.up), count(&carried.down));
        total[0] += up;
        total[1] += down;
        println!(
            "{:<16} {up:>8} {down:>8} {:>6} {:>6} {:>6} {:>7.1}",
            device.name,
            count(&carried.connections),
            count(&carried.round_trips),
            count(&device.killed),
            device.took.lock().map_or(0.0, |took| took.as_secs_f64()),
        );
    }
    println!(
        "{:<16} {:>8} {:>8}\nthe relay was killed {relay_kills} times",
        "all", total[0], total[1]
    );
}
