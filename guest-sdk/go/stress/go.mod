module millstream.dev/stress

go 1.24

require millstream.dev/millstream v0.1.0

replace millstream.dev/millstream => ..
