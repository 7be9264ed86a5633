//go:build !wasm

package process

func export(*Program) {}
