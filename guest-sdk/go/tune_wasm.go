package millstream

import "runtime/debug"

// memoryBytes is where the collector begins to work harder: below the 256 MiB that a host gives an instance unless it is
// told otherwise, so that garbage does not take what is left.
const memoryBytes = 192 << 20

func init() { debug.SetMemoryLimit(memoryBytes) }
