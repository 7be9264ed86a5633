//go:build !wasm

package trigger

func export(*Program) {}
