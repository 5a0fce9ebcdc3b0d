//! What each hostile neighbour costs an innocent deployment: the canary's times without and with it, one after the other
//! in one run.

use std::time::Duration;

use crate::good::{Canary, Latency};
use crate::hostile::{self, KINDS};
use crate::served::Served;

/// Between two neighbours, for what the last one left to be done.
const PAUSE: Duration = Duration::from_secs(2);

/// Measure each neighbour for this time, after as long without any; prints a Markdown table.
pub(crate) async fn compare(time: Duration) -> anyhow::Result<()> {
    let served = Served::start()?;
    println!("{}\n", crate::machine::description(crate::machine::Pinning::Free));
    println!(
        "| neighbour | tasks | quiet p50 ms | quiet p99 ms | with it p50 ms | with it p99 ms | rounds (refused) |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    let canary = Canary::start(&served)?;
    // The first answers find everything cold.
    tokio::time::sleep(PAUSE).await;
    for neighbour in KINDS {
        let (kind, tasks) = neighbour;
        tokio::time::sleep(PAUSE).await;
        canary.latency();
        tokio::time::sleep(time).await;
        let quiet = canary.latency();
        let counts = hostile::load(&served, time, std::slice::from_ref(neighbour)).await?;
        let with = canary.latency();
        let (done, refused) = counts.of(*kind);
        println!("| {kind:?} | {tasks} | {} | {} | {done} ({refused}) |", shown(quiet), shown(with));
    }
    let told = canary.stop().await?;
    anyhow::ensure!(told.problems.is_empty(), "the canary: {}", told.problems.join("\n"));
    Ok(())
}

fn shown(latency: Latency) -> String {
    format!("{:.1} | {:.1}", latency.p50.as_secs_f64() * 1e3, latency.p99.as_secs_f64() * 1e3)
}
