//go:build !wasm

package watermark

func export(*Program) {}
