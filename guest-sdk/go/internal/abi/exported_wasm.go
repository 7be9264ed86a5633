package abi

// Exported is the one program that a component exports. Programs are made where package variables are.
type Exported[P any] struct {
	// What it is, and the function that exports one.
	What, Function string
	program        *P
}

// Set exports a program.
func (e *Exported[P]) Set(program *P) {
	if e.program != nil {
		panic("millstream: a component exports one " + e.What + ", and this one is exported after another")
	}
	e.program = program
}

// Get is the program that is exported.
func (e *Exported[P]) Get() *P {
	if e.program == nil {
		panic("millstream: no " + e.What + " is exported: call " + e.Function + " where package variables are made")
	}
	return e.program
}
