// Package host is what an operator reaches of the host. In WebAssembly these are the imports of the component; natively
// they go to whatever a test has put in [Current].
package host

// Level is how much a log line matters.
type Level uint8

// The levels, least first.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
)

// Refused is why the host refused a state call.
type Refused string

// Error is the reason.
func (r Refused) Error() string { return string(r) }
