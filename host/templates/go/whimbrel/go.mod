module whimbrel

go 1.25
