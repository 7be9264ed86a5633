package abi

import _ "unsafe" // for go:linkname

const (
	pageBytes = 64 << 10
	// maxBlocks bounds the pieces that the arena is in; each new one is as large as all before it.
	maxBlocks = 32
	// firstBlock is the size of the first piece.
	firstBlock = 256 << 10
)

// The end of the memory that Go's runtime knows of, which it grows as it needs. The arena takes memory as the runtime
// itself does, by moving them on.
//
//go:linkname bloc runtime.bloc
var bloc uintptr

//go:linkname blocMax runtime.blocMax
var blocMax uintptr

func grow(pages uint32) int32
func unreachable()

// block is a piece of memory that the arena owns.
type block struct{ base, size uintptr }

// The arena: blocks of which those before current are full, and current up to top. Everything in it goes with the
// call that it came with.
var (
	blocks  [maxBlocks]block
	count   int
	current int
	top     uintptr
	owned   uintptr
)

// Nothing on the way from here may split the stack, allocate or be interrupted by the scheduler: the host calls while
// it passes arguments, when the component must not call out.
//
//go:wasmexport cabi_realloc
//go:nosplit
func realloc(old, oldSize, align, size uint32) uint32 {
	at := alloc(uintptr(size))
	if old != 0 && oldSize > 0 {
		move(at, uintptr(old), uintptr(min(oldSize, size)))
	}
	return uint32(at)
}

// alloc takes memory from the arena, aligned so that columns can be read as numbers of any width.
//
//go:nosplit
func alloc(size uintptr) uintptr {
	for ; current < count; current++ {
		here := &blocks[current&(maxBlocks-1)]
		at := here.base + top
		if top+size <= here.size {
			top = (top + size + 7) &^ 7
			return at
		}
		top = 0
	}
	if count > 0 {
		// As large as everything so far, so that the number of blocks stays small whatever batches come.
		if take(max(size, owned)) {
			return alloc1(size)
		}
	}
	if !take(max(size, firstBlock)) && !take(size) {
		// The host says that the memory is at its limit.
		unreachable()
	}
	return alloc1(size)
}

// alloc1 takes memory from the block that was just added, which has room.
//
//go:nosplit
func alloc1(size uintptr) uintptr {
	current = count - 1
	here := &blocks[current&(maxBlocks-1)]
	if top+size > here.size {
		unreachable()
	}
	at := here.base + top
	top = (top + size + 7) &^ 7
	return at
}

// take adds a block of at least size bytes, or lets the last one grow where the memory goes on behind it.
//
//go:nosplit
func take(size uintptr) bool {
	size = (size + pageBytes - 1) &^ (pageBytes - 1)
	base := bloc
	if base+size > blocMax {
		if grow(uint32((base+size-blocMax+pageBytes-1)/pageBytes)) < 0 {
			return false
		}
		blocMax = base + size
	}
	bloc = base + size
	owned += size
	top = 0
	if count >= maxBlocks {
		unreachable()
	}
	blocks[count&(maxBlocks-1)] = block{base, size}
	count++
	return true
}

//go:nosplit
func move(to, from, size uintptr) {
	for at := uintptr(0); at < size; at++ {
		*(*byte)(pointer(to + at)) = *(*byte)(pointer(from + at))
	}
}

// Release gives back what the host has passed: for cabi_post_.. functions, which like cabi_realloc must not call out.
//
//go:nosplit
func Release() {
	current, top = 0, 0
}

// adapterPages is for the adapter that makes WASI 0.2 of what Go's runtime calls: one page for what it remembers and
// one for its stack, which it asks for once, before the runtime has begun, and keeps.
var (
	adapterPages [3 * pageBytes]byte
	adapterUsed  uintptr
)

//go:wasmexport cabi_realloc_adapter
//go:nosplit
func adapterRealloc(old, oldSize, align, size uint32) uint32 {
	at := (addressOf(&adapterPages) + adapterUsed + 15) &^ 15
	adapterUsed = at + uintptr(size) - addressOf(&adapterPages)
	if old != 0 || adapterUsed > uintptr(len(adapterPages)) {
		unreachable()
	}
	return uint32(at)
}

//go:nosplit
func addressOf(pages *[3 * pageBytes]byte) uintptr {
	return uintptr(toPointer(pages))
}
