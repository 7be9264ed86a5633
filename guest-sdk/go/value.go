package millstream

import (
	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/internal/host"
)

// Value is a state with one value for each key. Declare it as a field of the operator:
//
//	type Visits struct {
//		Count millstream.Value[uint64] `state:"count,ttl=30d"`
//	}
//
// Values travel with the batch: reading one costs no call to the host, it is decoded once a batch however often its
// key occurs, and written back once. With the option noprefetch it is read by a call when it is first asked for: for
// what only few records need.
type Value[T any] struct {
	place
	codec  codec[T]
	stored column
	slots  []slot[T]
	// changed are the groups whose value is new.
	changed []uint32
	values  columnBuilder
	before  undoValue[T]
}

// slot is what is known of a key's value.
type slot[T any] struct {
	value   T
	known   bool
	present bool
	changed bool
}

// undoValue is what the record in hand replaced.
type undoValue[T any] struct {
	group uint32
	slot  slot[T]
	// stored is the value's stored form where an assignment does not copy it.
	stored []byte
}

// Get returns the key's value; found: it has one. Do not change what it points to: see Update.
func (v *Value[T]) Get() (value T, found bool, err error) {
	group, err := v.group()
	if err != nil {
		return value, false, err
	}
	return v.At(group)
}

// Or returns the key's value, or another one where it has none.
func (v *Value[T]) Or(otherwise T) (T, error) {
	value, found, err := v.Get()
	if !found {
		value = otherwise
	}
	return value, err
}

// Set sets the key's value.
func (v *Value[T]) Set(value T) error {
	group, err := v.group()
	if err != nil {
		return err
	}
	v.replace(group, slot[T]{value: value, known: true, present: true, changed: true}, nil)
	return nil
}

// Remove removes the key's value.
func (v *Value[T]) Remove() error {
	group, err := v.group()
	if err != nil {
		return err
	}
	v.replace(group, slot[T]{known: true, changed: true}, nil)
	return nil
}

// Update changes the key's value in place, starting from the zero value where it has none. So that a record that
// fails can be undone, the value before is remembered: by its stored form where it has pointers, slices or maps and
// no method Clone() T.
func (v *Value[T]) Update(change func(value *T)) error {
	group, err := v.group()
	if err != nil {
		return err
	}
	value, found, err := v.At(group)
	if err != nil {
		return err
	}
	var stored []byte
	if found && !v.codec.flat && !v.touched {
		if cloner, ok := any(value).(interface{ Clone() T }); ok {
			value = cloner.Clone()
		} else if stored, err = v.codec.encode(nil, &value); err != nil {
			return v.unencodable(err)
		}
	}
	v.replace(group, slot[T]{value: value, known: true, present: true, changed: true}, stored)
	change(&v.slots[group].value)
	return nil
}

// At returns the value of the key of a group: for operators that see whole batches.
func (v *Value[T]) At(group uint32) (value T, found bool, err error) {
	if int(group) >= len(v.slots) {
		return value, false, BatchError(errOutside)
	}
	slot := &v.slots[group]
	if !slot.known {
		if err := v.read(group, slot); err != nil {
			return value, false, err
		}
	}
	return slot.value, slot.present, nil
}

// SetAt sets the value of the key of a group: for operators that see whole batches.
func (v *Value[T]) SetAt(group uint32, value T) error {
	if int(group) >= len(v.slots) {
		return BatchError(errOutside)
	}
	if !v.slots[group].changed {
		v.changed = append(v.changed, group)
	}
	v.slots[group] = slot[T]{value: value, known: true, present: true, changed: true}
	return nil
}

func (v *Value[T]) read(group uint32, slot *slot[T]) error {
	var stored []byte
	if v.declaration.Prefetch {
		stored = v.stored.get(int(group))
	} else {
		key := one(v.key(group))
		found, err := host.GetMany(v.index, &key)
		if err != nil {
			return v.refused(err)
		}
		column := columnOf(&found)
		stored = column.get(0)
	}
	if stored != nil {
		if err := v.codec.decode(stored, &slot.value); err != nil {
			return v.undecodable(err)
		}
		slot.present = true
	}
	slot.known = true
	return nil
}

func (v *Value[T]) replace(group uint32, with slot[T], stored []byte) {
	now := &v.slots[group]
	if !v.touched {
		v.before = undoValue[T]{group, *now, stored}
		v.touch(v)
		if !now.changed {
			v.changed = append(v.changed, group)
		}
	}
	*now = with
}

func (v *Value[T]) kind() contract.StateKind { return contract.ValueState }

func (v *Value[T]) bind(f *frame, declaration contract.StateDeclaration, index uint32, asJSON bool) {
	v.frame, v.declaration, v.index, v.codec = f, declaration, index, codecOf[T](asJSON)
}

func (v *Value[T]) begin(stored *contract.BytesColumn) error {
	groups := v.frame.ofKey.len()
	if stored != nil {
		v.stored = columnOf(stored)
	}
	if cap(v.slots) < groups {
		v.slots = make([]slot[T], groups, max(groups, 2*cap(v.slots)))
	}
	v.slots = v.slots[:groups]
	v.changed, v.touched = v.changed[:0], false
	return nil
}

func (v *Value[T]) keep() { v.touched = false }

func (v *Value[T]) undo() {
	v.touched = false
	before := &v.before
	if !before.slot.changed {
		v.changed = v.changed[:len(v.changed)-1]
	}
	if before.stored != nil {
		var value T
		if err := v.codec.decode(before.stored, &value); err != nil {
			_ = v.frame.breakOff(v.undecodable(err))
		}
		before.slot.value = value
	}
	v.slots[before.group] = before.slot
}

func (v *Value[T]) finish(changes *changes) error {
	v.values.reset()
	for _, group := range v.changed {
		slot := &v.slots[group]
		if slot.present {
			data, err := v.codec.encode(v.values.data, &slot.value)
			if err != nil {
				return BatchError(v.unencodable(err))
			}
			v.values.data = data
		}
		v.values.end(slot.present)
	}
	if v.declaration.Prefetch {
		if len(v.changed) > 0 {
			changes.all = append(changes.all, contract.StateChange{
				State: changes.prefetched, Groups: bytesOf(v.changed), Values: v.values.finish(),
			})
		}
		changes.prefetched++
		return nil
	}
	if len(v.changed) == 0 {
		return nil
	}
	var keys columnBuilder
	for _, group := range v.changed {
		keys.push(v.key(group))
	}
	of, values := keys.finish(), v.values.finish()
	if err := host.PutMany(v.index, &of, &values); err != nil {
		return v.refused(err)
	}
	return nil
}

func (v *Value[T]) leave() {
	clear(v.slots)
	v.slots, v.stored, v.before = v.slots[:0], column{}, undoValue[T]{}
}
