package wait

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := For(t.Context(), time.Hour); err != nil || time.Since(began) != time.Hour {
			t.Errorf("waited %s: %v", time.Since(began), err)
		}
	})
}

func TestAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lengths := map[time.Duration]bool{}
		for range 100 {
			began := time.Now()
			err := About(t.Context(), time.Hour)
			took := time.Since(began)
			if err != nil || took > time.Hour || took < 48*time.Minute {
				t.Errorf("waited %s: %v", took, err)
			}
			lengths[took] = true
		}
		if len(lengths) < 2 {
			t.Error("every pause has the same length")
		}
	})
}

func TestTheContextEndsIt(t *testing.T) {
	for name, pause := range map[string]func(context.Context, time.Duration) error{"for": For, "about": About} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				began := time.Now()
				if err := pause(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
					t.Errorf("waited %s: %v", time.Since(began), err)
				}
			})
		})
	}
}
