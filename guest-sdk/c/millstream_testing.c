/* The SDK and a host for tests as one translation unit: compile this file in the place of millstream.c. */

#include "millstream.c"

#include "millstream_testing.h"

#include "testing/host.c"
#include "testing/json_columns.c"
#include "testing/batches.c"
#include "testing/harness.c"
#include "testing/tally.c"
#include "testing/parts.c"
