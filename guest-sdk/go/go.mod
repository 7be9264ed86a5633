module millstream.dev/millstream

go 1.24
