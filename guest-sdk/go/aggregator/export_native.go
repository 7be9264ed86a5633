//go:build !wasm

package aggregator

func export(*Program) {}
