// Package abi crosses the boundary to the host: the canonical ABI of the component model, by hand.
//
// Generated bindings are of no use to Go. They have the host's call for memory, cabi_realloc, run Go's allocator, which
// may collect garbage, which reads the clock; and calling out is what a component must not do while its arguments are
// being passed. So the memory that the host writes to is none of the collector's: an [Arena] that only grows, filled
// from its beginning with every call. What a guest passes to the host stays where it is, on Go's heap, which does not
// move, until the next call.
package abi
