package abi

import "millstream.dev/millstream/contract"

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

// ColumnOr is a result<bytes-column, string>.
type ColumnOr struct {
	Failed uint32
	Column Column
}

var (
	columnOr   ColumnOr
	keptColumn contract.BytesColumn
)

// OutColumnOr writes a result<bytes-column, string>.
func OutColumnOr(column contract.BytesColumn, err error) uint32 {
	if err != nil {
		reason = err.Error()
		columnOr = ColumnOr{Failed: 1, Column: Column{Offsets: OutText(reason)}}
		return Address(&columnOr)
	}
	keptColumn = column
	columnOr = ColumnOr{Column: OutColumn(&column)}
	return Address(&columnOr)
}

// InFlat reads a column that was passed as six arguments.
func InFlat(offsets, offsetsLength, data, dataLength, validity, validityLength uint32) contract.BytesColumn {
	return contract.BytesColumn{
		Offsets: In[byte](List{offsets, offsetsLength}), Data: In[byte](List{data, dataLength}),
		Validity: In[byte](List{validity, validityLength}),
	}
}
