// Tests of the SDK with its stand-in for the host; not part of new handlers.
package whimbrel_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"whimbrel"
	"whimbrel/internal/fakehost"
	"whimbrel/whimbreltest"
)

type probe struct {
	act  func(whimbrel.Connection, whimbrel.Message) error
	info *whimbrel.CloseInfo
}

func (handler probe) OnMessage(connection whimbrel.Connection, message whimbrel.Message) error {
	return handler.act(connection, message)
}

func (handler probe) OnClose(_ whimbrel.Connection, info whimbrel.CloseInfo) { *handler.info = info }

func (probe) OnPing(whimbrel.Connection, []byte) { panic("in ping") }

func (probe) OnPong(connection whimbrel.Connection, data []byte) { _ = connection.SendBinary(data) }

func export(act func(whimbrel.Connection, whimbrel.Message) error) *whimbrel.CloseInfo {
	info := &whimbrel.CloseInfo{}
	interval := 1500 * time.Microsecond
	whimbrel.Export(whimbrel.Guest{
		Open: func(whimbrel.Connection, *whimbrel.Request) (whimbrel.Handler, error) { return probe{act, info}, nil },
		Prepare: func(request *whimbrel.Request) error {
			switch request.Query {
			case "refuse":
				return &whimbrel.Refusal{Status: 401, Body: "no"}
			case "fail":
				return errors.New("broken")
			}
			return nil
		},
		CheckOrigin:       func(origin string, _ *whimbrel.Request) bool { return origin == "https://friend.example" },
		SelectSubprotocol: func(offered []string, _ *whimbrel.Request) string { return strings.Join(offered, "") },
		Settings:          func(*whimbrel.Request) whimbrel.Settings { return whimbrel.Settings{PingInterval: &interval} },
	})
	return info
}

func connect(t *testing.T) *whimbreltest.Client {
	t.Helper()
	client, err := whimbreltest.Connect(whimbrel.Request{Subprotocols: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestMessagesAndTheEnd(t *testing.T) {
	info := export(func(connection whimbrel.Connection, message whimbrel.Message) error { return connection.Send(message) })
	client := connect(t)
	for _, message := range []whimbrel.Message{whimbrel.Text("tea"), whimbrel.Binary([]byte{0xff})} {
		if err := client.Send(message); err != nil {
			t.Fatal(err)
		}
	}
	client.Pong([]byte("x"))
	received := client.Received()
	if len(received) != 3 || !received[0].IsText() || received[1].IsText() || received[2].Text() != "x" {
		t.Fatalf("received %v", received)
	}
	if client.Subprotocol() != "a" {
		t.Fatal(client.Subprotocol())
	}
	client.Close(4000, "bye")
	if *info != (whimbrel.CloseInfo{Code: 4000, Reason: "bye", Cause: whimbrel.ClosedByPeer}) {
		t.Fatalf("%+v", *info)
	}
}

func TestAPanicIsAnError(t *testing.T) {
	export(func(whimbrel.Connection, whimbrel.Message) error { var none map[string]int; none["x"] = 1; return nil })
	client := connect(t)
	if err := client.Send(whimbrel.Text("x")); err == nil || !strings.Contains(err.Error(), "panic: assignment to entry in nil map") {
		t.Fatal(err)
	}
	client.Ping(nil)
	if code, _, isClosed := client.Closed(); !isClosed || code != 1011 {
		t.Fatal(code, isClosed)
	}
}

func TestWhatTheHostRefusesIsAnError(t *testing.T) {
	export(func(connection whimbrel.Connection, _ whimbrel.Message) error {
		var refusal *whimbrel.HostError
		tooLarge := connection.Attach(make([]byte, fakehost.LargestAttachment+1))
		for _, wrong := range []bool{
			!errors.Is(connection.SendText("\xff"), whimbrel.ErrInvalid),
			!errors.Is(connection.Subscribe("\xff"), whimbrel.ErrInvalid),
			!errors.Is(connection.Ping(make([]byte, 126)), whimbrel.ErrInvalid),
			!errors.Is(connection.Close(1006, ""), whimbrel.ErrInvalid),
			!errors.As(tooLarge, &refusal) || refusal.Bytes != fakehost.LargestAttachment,
			connection.Close(1000, "bye") != nil,
			!errors.Is(connection.SendText("late"), whimbrel.ErrClosed),
			!errors.Is(whimbrel.Connection(1<<30).SendText("x"), whimbrel.ErrUnknownConnection),
		} {
			if wrong {
				return errors.New("wrong")
			}
		}
		return nil
	})
	if err := connect(t).Send(whimbrel.Text("go")); err != nil {
		t.Fatal(err)
	}
}

func TestTheHandshake(t *testing.T) {
	export(nil)
	for _, test := range []struct {
		request whimbrel.Request
		status  uint16
	}{
		{whimbrel.Request{Query: "refuse"}, 401},
		{whimbrel.Request{Query: "fail"}, 500},
		{whimbrel.Request{Origin: "https://evil.example"}, 403},
	} {
		var refusal *whimbrel.Refusal
		if _, err := whimbreltest.Connect(test.request); !errors.As(err, &refusal) || refusal.Status != test.status {
			t.Fatalf("%+v: %v", test.request, err)
		}
	}
	if _, err := whimbreltest.Connect(whimbrel.Request{Origin: "https://friend.example"}); err != nil {
		t.Fatal(err)
	}
}

func TestTopics(t *testing.T) {
	export(func(connection whimbrel.Connection, message whimbrel.Message) error {
		if message.Text() == "join" {
			return connection.Subscribe("tea")
		}
		count, err := whimbrel.Publish("tea", message, connection)
		if count != 1 {
			t.Errorf("reached %d", count)
		}
		return err
	})
	first, second := connect(t), connect(t)
	for client, text := range map[*whimbreltest.Client]string{first: "join", second: "join"} {
		if err := client.Send(whimbrel.Text(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Send(whimbrel.Text("hot")); err != nil {
		t.Fatal(err)
	}
	if len(first.Received()) != 0 || len(second.Received()) != 1 {
		t.Fatal(first.Received(), second.Received())
	}
}
