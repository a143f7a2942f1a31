module weir/bench/subjects/go

go 1.19
