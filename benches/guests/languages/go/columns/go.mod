module millstream.dev/benches/columns

go 1.24

require millstream.dev/millstream v0.1.0

replace millstream.dev/millstream => ../../../../../guest-sdk/go
