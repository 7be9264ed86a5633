package abi

// What all worlds have in common: configure.

// Done is a result<_, string>.
type Done struct {
	Failed uint32
	Reason List
}

var (
	done   Done
	reason string
)

// OutDone writes a result<_, string>.
func OutDone(err error) uint32 {
	done = Done{}
	if err != nil {
		reason = err.Error()
		done = Done{Failed: 1, Reason: OutText(reason)}
	}
	return Address(&done)
}
