package wire

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/momentohq/client-sdk-go/momento" // registers the SDK's descriptors
)

// sources is where our .proto files are: a link to proto/, because go test
// reruns a passed test only when a file changed under the test's own module.
const sources = "testdata/proto"

// served are the services a caller may count on. It guards the comparison
// itself: with a service lost on the way there would be nothing to compare.
var served = []protoreflect.FullName{
	"auth.Auth",
	"cache_client.Ping",
	"cache_client.Scs",
	"cache_client.pubsub.Pubsub",
	"control_client.ScsControl",
	"leaderboard.Leaderboard",
	"token.Token",
	"webhook.Webhook",
}

func TestOurServicesSpeakTheSDKsWire(t *testing.T) {
	ours, theirs := ourServices(t), theirServices()
	for _, name := range served {
		if ours[name] == nil {
			t.Errorf("%s: no .proto of ours has it", name)
		}
	}

	found := map[Difference]bool{}
	for name, service := range ours {
		other := theirs[name]
		if other == nil {
			t.Errorf("%s: no SDK knows this service; is its name right?", name)
			continue
		}
		for _, d := range CompareServices(service, other) {
			if known[d] == "" && !found[d] {
				t.Error(d)
			}
			found[d] = true
		}
	}
	for d := range known {
		if !found[d] {
			t.Errorf("%s: listed as known, but there is no such difference", d)
		}
	}
}

func TestEveryServiceOfTheSDKIsServedOrListed(t *testing.T) {
	ours, theirs := ourServices(t), theirServices()
	for name := range theirs {
		listed := notServed[string(name)] != ""
		if ours[name] == nil && !listed {
			t.Errorf("%s: neither served nor listed with a reason", name)
		}
		if ours[name] != nil && listed {
			t.Errorf("%s: listed as not served, but it has a .proto", name)
		}
	}
	for name := range notServed {
		if theirs[protoreflect.FullName(name)] == nil {
			t.Errorf("%s: listed as not served, but the SDK has no such service", name)
		}
	}
}

// ourServices compiles the public .proto files as they are on disk. The
// versioned folders are our own protocols, which no SDK speaks.
func ourServices(t *testing.T) map[protoreflect.FullName]protoreflect.ServiceDescriptor {
	t.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS(sources), ".", func(file string, _ fs.DirEntry, err error) error {
		if path.Ext(file) == ".proto" && path.Base(path.Dir(file)) != "v1" {
			files = append(files, file)
		}
		return err
	})
	if err != nil {
		t.Fatalf("look for our .proto files: %v", err)
	}
	compiled := compile(t, &protocompile.SourceResolver{ImportPaths: []string{sources}}, files...)
	services := map[protoreflect.FullName]protoreflect.ServiceDescriptor{}
	for _, file := range compiled {
		addServices(services, file)
	}
	return services
}

// theirServices are those in the binary whose code lives in the SDK.
func theirServices() map[protoreflect.FullName]protoreflect.ServiceDescriptor {
	services := map[protoreflect.FullName]protoreflect.ServiceDescriptor{}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(file.Path(), "google/") && !strings.HasPrefix(file.Path(), "grpc/") {
			addServices(services, file)
		}
		return true
	})
	return services
}

func addServices(to map[protoreflect.FullName]protoreflect.ServiceDescriptor, file protoreflect.FileDescriptor) {
	for i := range file.Services().Len() {
		s := file.Services().Get(i)
		to[s.FullName()] = s
	}
}

// compile turns .proto sources into descriptors without registering them.
func compile(t *testing.T, from protocompile.Resolver, files ...string) []protoreflect.FileDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(from)}
	linked, err := compiler.Compile(t.Context(), files...)
	if err != nil {
		t.Fatalf("compile %v: %v", files, err)
	}
	descriptors := make([]protoreflect.FileDescriptor, len(linked))
	for i, file := range linked {
		descriptors[i] = file
	}
	return descriptors
}
