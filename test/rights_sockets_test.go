package test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"
)

// socketCodes are the names of what a socket answers.
var socketCodes = map[string]codes.Code{
	"": codes.OK, "PERMISSION_DENIED": codes.PermissionDenied, "NOT_FOUND": codes.NotFound, "UNAUTHENTICATED": codes.Unauthenticated,
}

// onSockets are the trials of everybody to speak and to listen on a WebSocket.
func (s *rightsStory) onSockets() (all []trial) {
	for j, g := range s.grants {
		for k, at := range places {
			for _, wish := range []struct {
				need need
				text string
			}{
				{publishes, `"publish":{"value":{"text":` + quoted(s.payload) + `}}`},
				{subscribes, `"subscribe":{}`},
			} {
				c := s.caller(g, at, (j+k)%2 == 0)
				all = append(all, trial{
					fmt.Sprintf("WebSocket %.10s, %s, who needs %s", wish.text, g.name, wish.need), at, g.allows(wish.need, at),
					func(ctx context.Context) (answer, error) { return wishOnSocket(ctx, c, at, wish.text) },
				})
			}
		}
	}
	return all
}

// wishOnSocket opens a socket about a place, says who is there, and then what is wished.
func wishOnSocket(ctx context.Context, c caller, at place, wish string) (answer, error) {
	conn, _, err := websocket.Dial(ctx, "ws://"+c.node.Addr+filledPath("/topics/{cache}/{topic}?subscribe=false", at), nil) //nolint:bodyclose // the library did
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = conn.CloseNow() }()
	for _, text := range []string{`{"id":"who","token":` + quoted(c.credential) + `}`, `{"id":"wish",` + wish + `}`} {
		if err := conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			return answer{}, err
		}
	}
	for {
		_, raw, err := conn.Read(ctx)
		if websocket.CloseStatus(err) == 4401 {
			return answer{code: codes.Unauthenticated, said: err.Error()}, nil
		} else if err != nil {
			return answer{}, err
		}
		var said struct {
			ID    string
			Error struct{ Code, Message string }
		}
		if err := json.Unmarshal(raw, &said); err != nil {
			return answer{}, err
		}
		if said.ID != "wish" {
			continue
		}
		code, known := socketCodes[said.Error.Code]
		if !known {
			return answer{}, fmt.Errorf("the socket says %s", raw)
		}
		return answer{code: code, said: said.Error.Message}, nil
	}
}

// quoted is a text as JSON.
func quoted(text string) string {
	raw, _ := json.Marshal(text) // a text always can be
	return string(raw)
}
