// One module file per tool, and none of them the broker's: what a tool depends
// on must neither reach our users nor move another tool. Run it with
//
//	go tool -modfile=scripts/tools/protoc.mod protoc-gen-go
module github.com/mayfly-broker/mayfly/scripts/tools/protoc

go 1.26.0

tool (
	google.golang.org/grpc/cmd/protoc-gen-go-grpc
	google.golang.org/protobuf/cmd/protoc-gen-go
)

require (
	google.golang.org/grpc/cmd/protoc-gen-go-grpc v1.6.2 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
