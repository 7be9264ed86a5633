#include "textflag.h"

// func grow(pages uint32) int32
//
// Grows the memory by pages of 64 KiB and returns its size before in pages; -1: it cannot.
TEXT ·grow(SB), NOSPLIT, $0-12
	Get SP
	Get SP
	I32Load pages+0(FP)
	GrowMemory
	I32Store ret+8(FP)
	RET

// func unreachable()
//
// Traps.
TEXT ·unreachable(SB), NOSPLIT, $0-0
	UNDEF
