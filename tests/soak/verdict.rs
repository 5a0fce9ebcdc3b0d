//! The report's end: figures, and everything that is wrong.

use std::fmt;
use std::time::Duration;

use crate::good::Told;
use crate::sample::Sample;

/// An innocent connection's p99 under load: the greater of so many times its quiet value and this time.
const TIMES: u32 = 5;
const P99: Duration = Duration::from_millis(50);

/// All that was seen.
pub(crate) struct Verdict {
    /// The canary alone.
    pub(crate) quiet: Sample,
    pub(crate) before: Sample,
    pub(crate) loaded: Vec<Sample>,
    pub(crate) after: Sample,
    /// When the canary has left too.
    pub(crate) end: Sample,
    pub(crate) told: Told,
    pub(crate) panics: Vec<String>,
}

impl Verdict {
    pub(crate) fn is_good(&self) -> bool {
        self.problems().is_empty()
    }

    fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.told.problems.iter().map(|it| format!("the canary: {it}")).collect();
        problems.extend(self.after.excess(&self.before).into_iter().map(|it| format!("after the load: {it}")));
        for (count, what) in [(self.end.connections, "connections"), (self.end.instances, "instances")] {
            if count > 0 {
                problems.push(format!("at the end: {count} {what}"));
            }
        }
        problems.extend(self.panics.iter().map(|line| format!("the host panicked: {line}")));
        if self.told.echoed == 0 || self.told.published == 0 {
            problems.push("the canary exchanged nothing".to_owned());
        }
        problems
    }

    /// Not a problem of the host when the machine is busy with other things, so it is only told.
    fn is_late(&self) -> bool {
        self.worst_p99() > (self.quiet.latency.p99 * TIMES).max(P99)
    }

    fn worst_p99(&self) -> Duration {
        self.loaded.iter().map(|sample| sample.latency.p99).max().unwrap_or_default()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let peak = self.loaded.iter().map(|sample| sample.rss_kib).max().unwrap_or_default();
        writeln!(
            f,
            "canary: {} echoes, {} publications, none lost but those named below",
            self.told.echoed, self.told.published
        )?;
        writeln!(
            f,
            "p99 quiet {:.1} ms, at worst {:.1} ms under load{}",
            ms(self.quiet.latency.p99),
            ms(self.worst_p99()),
            if self.is_late() { ": LATE (busy machine?)" } else { "" }
        )?;
        let (before, after) = (self.before.rss_kib as f64 / 1024.0, self.after.rss_kib as f64 / 1024.0);
        writeln!(f, "RSS {before:.1} MiB before, {:.1} MiB at most, {after:.1} MiB after", peak as f64 / 1024.0)?;
        match self.problems()[..] {
            [] => write!(f, "nothing leaked, nothing was lost, nothing panicked"),
            ref problems => write!(f, "WRONG:\n{}", problems.join("\n")),
        }
    }
}
