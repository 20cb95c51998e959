package console

import (
	"net/http"

	"google.golang.org/grpc/codes"

	"github.com/mayfly-broker/mayfly/rpc/auth"
	"github.com/mayfly-broker/mayfly/rpc/web"
)

// holder is whose credential came with a request.
type holder struct {
	Kind      string `json:"kind"` // none, admin, api_key, token
	ID        string `json:"id"`
	ExpiresAt *int64 `json:"expires_at"`
}

// kinds is what each kind of caller is called.
var kinds = map[auth.Kind]string{
	auth.KindAnonymous: "none", auth.KindAdmin: "admin", auth.KindAPIKey: "api_key", auth.KindToken: "token",
}

// session tells the pages where they are and whether they may ask the rest. It
// never fails: what is wrong with a credential is told as the reason.
func (c *Console) session(w http.ResponseWriter, r *http.Request) {
	answer := struct {
		Version    string `json:"version"`
		Node       string `json:"node"`
		Cluster    string `json:"cluster"`
		Open       bool   `json:"open"`
		Authorized bool   `json:"authorized"`
		Reason     string `json:"reason,omitempty"`
		Credential holder `json:"credential"`
	}{
		Version: c.config.Version, Node: c.config.Node, Cluster: c.config.Cluster,
		Open: c.config.Gate.Open(), Credential: holder{Kind: "none"},
	}
	credential := web.Credential(r)
	end := c.mayOperate(r.Context(), credential)
	answer.Authorized = end.Code() == codes.OK
	if !answer.Authorized {
		answer.Reason = web.Sentence(end.Message())
	}
	if calls := c.calls.Load(); calls != nil {
		if who, err := (*calls).Identify(r.Context(), credential); err == nil {
			answer.Credential = holder{kinds[who.Kind], who.ID, millis(who.ExpiresAt)}
		}
	}
	web.Answer(w, answer)
}
