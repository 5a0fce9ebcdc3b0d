//! What the host counts. Names follow Prometheus: totals are counters, the rest are gauges.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Say what each metric means; for the exporter.
pub fn describe() {
    describe_gauge!("whimbrel_connections", "Open WebSocket connections");
    describe_gauge!("whimbrel_instances", "Live instances of guests, by scope and by whether they have connections");
    describe_gauge!("whimbrel_instances_limit", "Instances that the host may hold at once");
    describe_gauge!(
        "whimbrel_buffered_bytes",
        "Bytes in the buffers of all connections, which host.memory_budget bounds"
    );
    describe_counter!("whimbrel_connections_evicted_total", "Connections ended because host.memory_budget was passed");
    describe_counter!("whimbrel_panics_total", "Tasks of the host that panicked");
    describe_counter!("whimbrel_host_log_lines_dropped_total", "Log lines that nobody took from stderr in time");
    describe_gauge!("whimbrel_revision", "The revision that new connections meet");
    describe_gauge!("whimbrel_circuit_open", "Circuits opened by traps: peer addresses, rooms, everybody");
    describe_counter!("whimbrel_connections_total", "WebSocket connections opened");
    describe_counter!("whimbrel_closes_total", "WebSocket connections ended, by cause");
    describe_counter!("whimbrel_handshakes_refused_total", "Handshakes refused, by HTTP status");
    describe_counter!("whimbrel_messages_received_total", "Messages given to handlers");
    describe_counter!("whimbrel_messages_sent_total", "Messages queued for peers, publications included");
    describe_counter!("whimbrel_bytes_received_total", "Payload bytes given to handlers");
    describe_counter!("whimbrel_bytes_sent_total", "Bytes of frames taken by sockets");
    describe_counter!("whimbrel_instructions_total", "Instructions of guests with metering = fuel");
    describe_counter!("whimbrel_traps_total", "Guest calls that ended with a trap, by kind");
    describe_counter!("whimbrel_recycled_total", "Instances replaced between two events, by reason");
    describe_counter!("whimbrel_guest_errors_total", "Guest calls that returned an error, by function");
    describe_counter!("whimbrel_limits_hit_total", "Limits that were reached, by limit");
    describe_counter!("whimbrel_execution_microseconds_total", "Time for which guests occupied worker threads");
    describe_counter!("whimbrel_share_waits_total", "Times that a guest waited as limits.execution_share was used up");
    describe_counter!("whimbrel_foreign_connections_total", "Calls of guests about connections of others");
    describe_counter!("whimbrel_log_lines_dropped_total", "Log lines of guests over limits.log_lines");
}

/// The handles of one deployment, so that the serving path looks nothing up by name.
pub struct DeploymentMetrics {
    deployment: String,
    /// Open connections.
    pub connections: Gauge,
    /// Connections opened.
    pub opened: Counter,
    /// Circuits that are not closed.
    pub circuits: Gauge,
    /// Messages given to the handler.
    pub messages_in: Counter,
    /// Messages queued for peers.
    pub messages_out: Counter,
    /// Payload bytes given to the handler.
    pub bytes_in: Counter,
    /// Bytes of frames taken by sockets.
    pub bytes_out: Counter,
    /// Microseconds for which guests occupied worker threads.
    pub executed: Counter,
    /// Times that a guest waited for its deployment's share.
    pub share_waits: Counter,
    /// Instructions executed, where they are counted.
    pub instructions: Counter,
}

/// Live instances of one deployment under one scope.
pub struct Instances {
    /// With connections, or serving an event.
    pub active: Gauge,
    /// Kept without.
    pub idle: Gauge,
}

impl std::fmt::Debug for DeploymentMetrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DeploymentMetrics").field("deployment", &self.deployment).finish_non_exhaustive()
    }
}

impl DeploymentMetrics {
    /// The handles for this deployment.
    pub fn new(deployment: &str) -> Self {
        let label = || deployment.to_owned();
        DeploymentMetrics {
            deployment: label(),
            connections: gauge!("whimbrel_connections", "deployment" => label()),
            opened: counter!("whimbrel_connections_total", "deployment" => label()),
            circuits: gauge!("whimbrel_circuit_open", "deployment" => label()),
            messages_in: counter!("whimbrel_messages_received_total", "deployment" => label()),
            messages_out: counter!("whimbrel_messages_sent_total", "deployment" => label()),
            bytes_in: counter!("whimbrel_bytes_received_total", "deployment" => label()),
            bytes_out: counter!("whimbrel_bytes_sent_total", "deployment" => label()),
            executed: counter!("whimbrel_execution_microseconds_total", "deployment" => label()),
            share_waits: counter!("whimbrel_share_waits_total", "deployment" => label()),
            instructions: counter!("whimbrel_instructions_total", "deployment" => label()),
        }
    }

    /// Live instances under a scope.
    pub fn instances(&self, scope: &'static str) -> Instances {
        let gauge = |state: &'static str| {
            let deployment = self.deployment.clone();
            gauge!("whimbrel_instances", "deployment" => deployment, "scope" => scope, "state" => state)
        };
        Instances { active: gauge("active"), idle: gauge("idle") }
    }

    /// A connection ended.
    pub fn closed(&self, cause: &'static str) {
        counter!("whimbrel_closes_total", "deployment" => self.deployment.clone(), "cause" => cause).increment(1);
    }

    /// A call of the guest trapped.
    pub fn trapped(&self, kind: &'static str) {
        counter!("whimbrel_traps_total", "deployment" => self.deployment.clone(), "kind" => kind).increment(1);
    }

    /// An instance was replaced, as it had come to this mark.
    pub fn recycled(&self, reason: &'static str) {
        counter!("whimbrel_recycled_total", "deployment" => self.deployment.clone(), "reason" => reason).increment(1);
    }

    /// A function of the handler returned an error.
    pub fn failed(&self, function: &'static str) {
        counter!("whimbrel_guest_errors_total", "deployment" => self.deployment.clone(), "function" => function)
            .increment(1);
    }

    /// The revision that new connections meet from now on.
    pub fn revision(&self, number: u32) {
        gauge!("whimbrel_revision", "deployment" => self.deployment.clone()).set(number);
    }
}

/// How many instances the host may hold.
pub fn instances_limit(instances: u32) {
    gauge!("whimbrel_instances_limit").set(instances);
}

/// Bytes that the buffers of all connections hold.
pub fn buffered(bytes: usize) {
    gauge!("whimbrel_buffered_bytes").set(bytes as f64);
}

/// A connection had to go for the host's memory.
pub fn evicted() {
    counter!("whimbrel_connections_evicted_total").increment(1);
}

/// A task panicked.
pub fn panicked() {
    counter!("whimbrel_panics_total").increment(1);
}

/// A handshake was refused with this status.
pub fn handshake_refused(status: u16) {
    counter!("whimbrel_handshakes_refused_total", "status" => status.to_string()).increment(1);
}
