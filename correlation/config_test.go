package correlation

import (
	"strings"
	"testing"
)

func TestVocabularyOfTheConfiguration(t *testing.T) {
	t.Cleanup(func() {
		if err := DefaultConfig().Apply(); err != nil {
			t.Error(err)
		}
	})
	c := Config{Vocabulary: map[Kind][]string{RequestID: {"x-shop-ticket"}, "parcel_id": {"parcel.no", "Sendungsnummer"}}}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]Kind{
		"x-shop-ticket": RequestID, "http.request.header.x_shop_ticket": RequestID, "XShopTicket": RequestID, "parcel_no": "parcel_id",
		"app.parcelNo": "parcel_id", "sendungsnummer": "parcel_id", "request_id": RequestID, "trace_id": TraceID,
	} {
		if got, ok := KindOf(key); !ok || got != want {
			t.Errorf("KindOf(%q) = %q, %v, want %q", key, got, ok, want)
		}
	}
	if got, ok := KindOf("ticket"); ok {
		t.Errorf("KindOf(ticket) = %q", got)
	}
	if err := DefaultConfig().Apply(); err != nil {
		t.Fatal(err)
	}
	if got, ok := KindOf("x-shop-ticket"); ok {
		t.Errorf("without the configuration x-shop-ticket is %q", got)
	}
}

func TestBadVocabularies(t *testing.T) {
	for want, c := range map[string]Config{
		"is no name of a kind": {Vocabulary: map[Kind][]string{"Request ID": {"ticket_no"}}},
		"is too short":         {Vocabulary: map[Kind][]string{RequestID: {"-i-d-"}}},
		"longer than 128":      {Vocabulary: map[Kind][]string{RequestID: {strings.Repeat("x", 200)}}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", c, err, want)
		}
		if c.Apply() == nil {
			t.Errorf("%v is applied", c)
		}
	}
}
