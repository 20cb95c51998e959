package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mayfly-broker/mayfly/cmd/config"
	"github.com/mayfly-broker/mayfly/cmd/node"
)

const devHelp = `Run a broker to develop against: everything in memory, no credentials needed,
the cache "default" already there. When it stops, it forgets everything.

Webhooks may post to this machine, which "mayfly server" does not allow by itself.
Heartbeats come a little more often than once a second, as the test suites of
the SDKs expect.

An app's tests can provoke faults. Calls fail, are late or lose their stream as
their headers ask for (error-rpcs, return-error, delay-rpcs, delay-ms and so on;
see docs/testing.md); with --fault-percent so many of all other calls do, the
same ones for the same --fault-seed. With --admin-listen, GET /block there breaks
all connections of the client port, and GET /unblock lets new ones in again. With
--clock 60 a minute passes in a second for whatever expires.`

// devHeartbeat is just under the second that the retry suites of the SDKs wait.
const devHeartbeat = 900 * time.Millisecond

func (p *Program) devCommand() *cobra.Command {
	cfg := node.DefaultConfig()
	cfg.NameHint = "dev"
	cfg.PeerListen, cfg.GossipListen = "", "" // alone
	cfg.Open = true
	cfg.WebhookAllow = []string{"127.0.0.0/8", "::1"} // where the receivers of a developer are
	cfg.Caches = []string{"default"}
	cfg.Heartbeat = devHeartbeat
	var file string
	var logs logOptions
	faults := faultOptions{clock: 1}
	settings := append([]config.Setting{listenSetting(&cfg.Listen), originsSetting(&cfg.Origins), webhookSetting(&cfg.WebhookAllow, ""), fileSetting(&file)}, logs.settings()...)
	settings = append(settings, faults.settings()...)
	settings = append(settings, limitSettings(&cfg.Limits)...)
	settings = append(settings, memorySetting(&cfg.Memory))
	cmd := &cobra.Command{Use: "dev", Short: "Run a broker in memory to develop against", Long: devHelp, Example: "  mayfly dev\n  mayfly dev --listen 127.0.0.1:9000\n  mayfly dev --fault-percent 5 --fault-seed 42"}
	return p.leaf(cmd, settings, func(ctx context.Context, cmd *cobra.Command, _, strangers []string) error {
		cfg.Logger = p.nodeLogger(&logs, strangers)
		if err := faults.apply(&cfg); err != nil {
			return usageError{cmd, err}
		}
		stop, err := faults.serveAdmin(ctx, &cfg)
		if err != nil {
			return startError(err)
		}
		defer stop()
		return p.runNode(ctx, cmd, &runner{cfg: cfg}, func(addr string) { p.welcome(addr) })
	}, p.vendSection(&cfg.Vend), usageSection(&cfg.Usage))
}

// welcome prints commands that work as they are when copied.
func (p *Program) welcome(addr string) {
	at := ""
	if addr != defaultServer {
		at = " --server " + addr
	}
	// Without a reader there is nobody to welcome.
	_, _ = fmt.Fprintf(p.Stdout, `Mayfly listens on %[2]s. It keeps everything in memory, needs no credentials
and has a cache called "default". Try it from another terminal:

  %[1]s topic subscribe%[3]s default greetings
  %[1]s topic publish%[3]s default greetings "hello there"

  %[1]s list push%[3]s default room-1 "first message"
  %[1]s list fetch%[3]s default room-1

or in a browser: http://%[2]s/console

Press Ctrl-C to stop.
`, p.Name, addr, at)
}
