//go:build !wasm

package operator

import "millstream.dev/millstream"

func export(program *millstream.Program) *millstream.Program { return program }
