package millstream

import (
	"fmt"

	"millstream.dev/millstream/contract"
)

// handle is a state of an operator: a [Value], a [Map] or a [List].
type handle interface {
	kind() contract.StateKind
	// bind ties the state to the batches of an instance.
	bind(f *frame, declaration contract.StateDeclaration, index uint32, asJSON bool)
	// begin begins a batch; stored are the values of a prefetched state.
	begin(stored *contract.BytesColumn) error
	// keep lets what the record in hand changed stand, undo takes it back.
	keep()
	undo()
	// finish hands over what the batch changed: as a column, or by calls to the host.
	finish(changes *changes) error
	// leave forgets the batch.
	leave()
}

// changes are those of prefetched states that go back with the batch.
type changes struct {
	all        []contract.StateChange
	prefetched uint32
}

// place is what the states share.
type place struct {
	frame       *frame
	declaration contract.StateDeclaration
	index       uint32
	// touched: the record in hand has changed the state.
	touched bool
}

// group is the number of the key in hand.
func (p *place) group() (uint32, error) {
	if p.frame == nil || p.frame.input == nil {
		return 0, BatchError(errOutside)
	}
	if p.frame.group == contract.NoGroup {
		return 0, ErrNoKey
	}
	return p.frame.group, nil
}

// touch has the state told whether what the record in hand changes is to stand.
func (p *place) touch(state handle) {
	if !p.touched {
		p.touched = true
		p.frame.touched = append(p.frame.touched, state)
	}
}

// key is the key of a group.
func (p *place) key(group uint32) []byte { return p.frame.ofKey.get(int(group)) }

func (p *place) undecodable(err error) error {
	return fmt.Errorf("state `%s`: what is stored does not decode: %w", p.declaration.Name, err)
}

func (p *place) unencodable(err error) error {
	return fmt.Errorf("state `%s`: %w", p.declaration.Name, err)
}

// refused makes a failure of the batch of the host's refusal.
func (p *place) refused(err error) error {
	return p.frame.breakOff(fmt.Errorf("state `%s`: %w", p.declaration.Name, err))
}

// one is a column of one value.
func one(value []byte) contract.BytesColumn {
	return contract.BytesColumn{Offsets: bytesOf([]uint32{0, uint32(len(value))}), Data: value}
}
