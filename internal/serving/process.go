package serving

const parallelWorkers = "max_parallel_workers_per_gather"

// OneProcess sets the parameters of a connection so that a statement runs in one process, which
// its timeout interrupts. What the connection string says of workers holds.
func OneProcess(parameters map[string]string) {
	parameters["jit"] = "off" // compiling cannot be interrupted: a small request held a connection for 20 s
	if parameters[parallelWorkers] == "" {
		parameters[parallelWorkers] = "0" // the gate counts connections: with workers, each is several processes
	}
}
