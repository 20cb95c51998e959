package cli

import (
	"strings"
	"testing"
)

// What no client could use is the caller's mistake, and no finding about a broker.
func TestDoctorRefusesWrongInput(t *testing.T) {
	for _, flag := range []string{
		"--origin=chat.example", "--origin=https://chat.example/path", "--origin=https://Chat.example", "--origin=*", "--origin=null",
		"--origin=https://a@chat.example", "--origin=https://:443", "--origin=ftp://chat.example",
		"--address=nohost", "--address=:443x", "--address=10.0.0.1:0", "--address=10.0.0.1:65536", "--resolve=foo",
	} {
		name, value, _ := strings.Cut(flag, "=")
		got := invocation{}.run(t, "doctor", "--endpoint", "mayfly.test", flag, "--timeout", "1ms")
		if got.code != ExitUsage || got.stdout != "" || !strings.HasPrefix(got.stderr, "mayfly: "+name+`: "`+value+`" is `) {
			t.Errorf("%s: exit code %d, %s%s", flag, got.code, got.stderr, got.stdout)
		}
	}
}

func TestOrigins(t *testing.T) {
	for _, origin := range []string{"https://chat.example", "http://localhost:3000", "https://10.0.0.1", "http://[::1]:8080"} {
		if !isOrigin(origin) {
			t.Errorf("%s is refused", origin)
		}
	}
}
