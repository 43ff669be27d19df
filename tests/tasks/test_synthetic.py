"""The synthetic tasks against their definitions, and their references against simulation."""

import math
from collections import Counter

import pytest
import torch

from throughtime.parts import BadInput
from throughtime.tasks import make_task
from throughtime.tasks.copy import BLANK, GO


def draw(task, size, seed=0):
    return task.sample(size, generator=torch.Generator().manual_seed(seed))


def value(task, name):
    return next(reference.value for reference in task.references() if reference.name == name)


class TestAdding:
    @pytest.mark.parametrize("length", [2, 3, 50])
    def test_target_is_the_sum_of_the_two_marked_values(self, length):
        batch = draw(make_task("adding", length=length), 20)
        for b in range(20):
            marked = [float(x) for x, marker in batch.inputs[:, b] if marker == 1]
            assert len(marked) == 2
            assert float(batch.targets[-1, b, 0]) == pytest.approx(sum(marked), abs=1e-6)

    @pytest.mark.parametrize("length", [2, 3, 50])
    def test_one_marker_in_each_half(self, length):
        markers = draw(make_task("adding", length=length), 200).inputs[:, :, 1]
        assert markers[: length // 2].sum(dim=0).tolist() == [1] * 200
        assert markers[length // 2 :].sum(dim=0).tolist() == [1] * 200

    def test_markers_reach_every_step(self):
        markers = draw(make_task("adding", length=7), 500).inputs[:, :, 1]
        assert bool((markers.sum(dim=1) > 0).all())

    def test_only_the_last_step_counts(self):
        assert draw(make_task("adding", length=4), 3).counts == [0, 0, 0, 3]

    def test_floor_is_the_loss_of_the_constant_1(self):
        task = make_task("adding", length=10)
        batch = draw(task, 200_000)
        assert value(task, "constant 1") == pytest.approx(0.16667, abs=5e-6)
        assert task.score(torch.ones(10, batch.size, 1), batch) == pytest.approx(1 / 6, abs=2e-3)

    def test_the_targets_themselves_score_the_optimum(self):
        task = make_task("adding")
        assert task.score(task.test().targets, task.test()) == value(task, "exact") == 0

    def test_too_short(self):
        with pytest.raises(BadInput, match="length must be at least 2, one step for each half; got 1"):
            make_task("adding", length=1)


class TestCopy:
    def test_recall_is_what_was_shown(self):
        batch = draw(make_task("copy", length=5, symbols=3), 10)
        assert batch.length == 5 + 2 * 3
        shown = batch.inputs.argmax(dim=-1)
        assert torch.equal(shown[:3], batch.targets[-3:])
        assert bool((batch.inputs.sum(dim=-1) == 1).all())

    def test_between_there_is_blank_and_one_cue(self):
        batch = draw(make_task("copy", length=5, symbols=3), 10)
        shown = batch.inputs.argmax(dim=-1)
        assert shown[3:, 0].tolist() == [BLANK] * 4 + [GO] + [BLANK] * 3
        assert bool((batch.targets[:-3] == BLANK).all())

    def test_every_kind_is_drawn(self):
        assert set(draw(make_task("copy"), 100).targets[-10:].flatten().tolist()) == set(range(8))

    @pytest.mark.parametrize(("length", "expected"), [(100, 0.1733), (500, 0.03999)])
    def test_memoryless_floor(self, length, expected):
        task = make_task("copy", length=length)
        assert value(task, "memoryless") == pytest.approx(expected, rel=5e-4)

    def test_floor_is_the_loss_of_a_predictor_that_knows_only_the_time(self):
        task = make_task("copy", length=20)
        batch = draw(task, 50)
        logits = torch.full((batch.length, 50, 10), -50.0)
        logits[..., BLANK] = 50
        logits[-10:, :, :8], logits[-10:, :, BLANK] = 0, -50
        assert task.score(logits, batch) == pytest.approx(value(task, "memoryless"), rel=1e-5)

    def test_certainty_of_the_targets_scores_the_optimum(self):
        task = make_task("copy")
        test = task.test()
        logits = 100 * torch.nn.functional.one_hot(test.targets, 10).float()
        assert value(task, "exact") == 0
        assert task.score(logits, test) == pytest.approx(0, abs=1e-6)

    @pytest.mark.parametrize("name", ["length", "symbols"])
    def test_too_small(self, name):
        with pytest.raises(BadInput, match=f"{name} must be at least 1, got 0"):
            make_task("copy", **{name: 0})


class TestTwoLag:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [("neither lag", 0.66156), ("lag 3 alone", 0.51917), ("lag 8 alone", 0.62774), ("both lags", 0.45445)],
    )
    def test_references_to_the_printed_digits(self, name, expected):
        assert round(value(make_task("two_lag"), name), 5) == expected

    @pytest.mark.parametrize(("a", "b"), [(3, 8), (5, 2)])
    @pytest.mark.parametrize("knows", [(), ("a",), ("b",), ("a", "b")])
    def test_references_by_simulation(self, a, b, knows):
        """A predictor that knows some of the lags, its odds counted from other data."""
        task = make_task("two_lag", a=a, b=b, length=12)
        lags = [{"a": a, "b": b}[name] for name in knows]
        name = {(): "neither lag", ("a",): f"lag {a} alone", ("b",): f"lag {b} alone", ("a", "b"): "both lags"}[knows]

        def contexts(batch):
            coin = batch.inputs[..., 0]
            known = [coin[8 - lag : 12 - lag] if max(a, b) == 8 else coin[5 - lag : 12 - lag] for lag in lags]
            start = max(a, b)
            return sum((2**i * part for i, part in enumerate(known)), torch.zeros_like(coin[start:])).long()

        train, test = draw(task, 60_000, seed=1), draw(task, 60_000, seed=2)
        start = max(a, b)
        odds = torch.stack(
            [train.targets[start:][contexts(train) == context].double().mean() for context in range(2 ** len(lags))]
        ).clamp(1e-12, 1 - 1e-12)
        p = odds[contexts(test)]
        y = test.targets[start:]
        loss = -torch.where(y == 1, p.log(), (1 - p).log()).mean()
        assert float(loss) == pytest.approx(value(task, name), abs=4e-3)

    @pytest.mark.parametrize(("knows", "name"), [(True, "both lags"), (False, "neither lag")])
    def test_the_generators_own_odds_score_the_reference_on_the_test_data(self, knows, name):
        task = make_task("two_lag")
        test = task.test()
        odds = torch.full(test.targets.shape, 0.625, dtype=torch.float64)
        if knows:
            for t in range(8, test.length):
                odds[t] = 0.5 + 0.5 * test.inputs[t - 3, :, 0] - 0.25 * test.inputs[t - 8, :, 0]
        logits = torch.stack([1 - odds, odds], dim=-1).clamp(min=1e-12).log()
        assert task.score(logits, test) == pytest.approx(value(task, name), abs=2e-3)

    def test_steps_before_the_longer_lag_do_not_count(self):
        assert draw(make_task("two_lag", length=11), 4).counts == [0] * 8 + [4] * 3

    def test_too_short(self):
        with pytest.raises(BadInput, match="length must exceed the longer lag, 8; got 8"):
            make_task("two_lag", length=8)

    @pytest.mark.parametrize(("a", "b"), [(3, 3), (-1, 4)])
    def test_impossible_lags(self, a, b):
        with pytest.raises(BadInput, match="two different numbers, 0 or more"):
            make_task("two_lag", a=a, b=b)

    def test_chance_is_worse_than_the_floor(self):
        assert value(make_task("two_lag"), "neither lag") < math.log(2)


class TestTemporalOrder:
    @pytest.mark.parametrize(("length", "symbols"), [(10, 2), (10, 3), (50, 2), (100, 3)])
    def test_class_is_the_order_of_the_rare_symbols(self, length, symbols):
        batch = draw(make_task("temporal_order", length=length, symbols=symbols), 50)
        shown = batch.inputs.argmax(dim=-1)
        for b in range(50):
            rare = [int(symbol) - 4 for symbol in shown[:, b] if symbol in (4, 5)]
            assert len(rare) == symbols
            assert int(batch.targets[-1, b]) == sum(2**i * kind for i, kind in enumerate(rare))

    def test_rare_symbols_keep_to_their_places(self):
        shown = draw(make_task("temporal_order", length=100), 2000).inputs.argmax(dim=-1)
        steps = [t for t in range(100) if bool(((shown[t] == 4) | (shown[t] == 5)).any())]
        assert steps == [*range(10, 20), *range(50, 60)]

    def test_begin_and_end_are_marked(self):
        shown = draw(make_task("temporal_order"), 5).inputs.argmax(dim=-1)
        assert shown[0].tolist() == [6] * 5
        assert shown[-1].tolist() == [7] * 5

    @pytest.mark.parametrize(("symbols", "chance"), [(2, 0.25), (3, 0.125)])
    def test_classes_are_equally_likely(self, symbols, chance):
        task = make_task("temporal_order", symbols=symbols)
        assert value(task, "chance") == chance
        shares = torch.bincount(draw(task, 40_000).targets[-1], minlength=2**symbols) / 40_000
        assert shares.tolist() == pytest.approx([chance] * 2**symbols, abs=0.01)

    def test_who_knows_the_last_symbol_scores_its_reference(self):
        task = make_task("temporal_order")
        batch = draw(task, 20_000)
        outputs = torch.zeros(50, batch.size, 4)
        outputs[-1, torch.arange(batch.size), 2 * (batch.targets[-1] // 2)] = 1
        assert task.score(outputs, batch) == pytest.approx(value(task, "last symbol alone"), abs=0.015)

    def test_impossible_parameters(self):
        with pytest.raises(BadInput, match=r"length must be at least 10, .* got 9"):
            make_task("temporal_order", length=9)
        with pytest.raises(BadInput, match="symbols=4 is not allowed"):
            make_task("temporal_order", symbols=4)


class TestFirstSymbol:
    def test_class_is_the_first_symbol(self):
        batch = draw(make_task("first_symbol", classes=3, length=9), 30)
        assert batch.inputs.shape == (9, 30, 3)
        assert torch.equal(batch.inputs[0].argmax(dim=-1), batch.targets[-1])
        assert batch.counts == [0] * 8 + [30]

    def test_the_rest_is_noise_that_says_nothing(self):
        batch = draw(make_task("first_symbol", length=20, noise=0.5), 5000)
        assert float(batch.inputs[1:].std()) == pytest.approx(0.5, abs=0.01)
        first = batch.inputs[1:, batch.targets[-1] == 0].mean()
        second = batch.inputs[1:, batch.targets[-1] == 1].mean()
        assert abs(float(first - second)) < 0.01

    def test_chance(self):
        task = make_task("first_symbol", classes=4)
        assert value(task, "chance") == 0.25
        shares = torch.bincount(draw(task, 20_000).targets[-1], minlength=4) / 20_000
        assert shares.tolist() == pytest.approx([0.25] * 4, abs=0.015)

    def test_the_first_input_tells_the_class(self):
        task = make_task("first_symbol")
        test = task.test()
        assert task.score(test.inputs[:1].expand(test.length, -1, -1), test) == value(task, "exact") == 1

    @pytest.mark.parametrize(("name", "given"), [("length", 1), ("classes", 1), ("noise", -0.1)])
    def test_impossible_parameters(self, name, given):
        with pytest.raises(BadInput, match=f"{name} must be at least .*, got {given}"):
            make_task("first_symbol", **{name: given})


class TestAnbn:
    def strings(self, **parameters):
        batch = draw(make_task("anbn", **parameters), 200)
        shown = torch.cat([batch.inputs.argmax(dim=-1), batch.targets[-1:]])
        return ["".join("Sab"[symbol] for symbol in column) for column in shown.T.tolist()]

    def test_every_string_has_as_many_b_as_a(self):
        for text in self.strings(length=61, largest=5):
            assert text.startswith("S")
            whole = text.split("S")[1:-1]  # the last one may be cut off
            assert whole
            for string in whole:
                n = string.count("a")
                assert 1 <= n <= 5
                assert string == "a" * n + "b" * n

    def test_targets_are_the_next_inputs(self):
        batch = draw(make_task("anbn"), 10)
        assert torch.equal(batch.targets[:-1], batch.inputs[1:].argmax(dim=-1))

    def test_every_n_is_equally_likely_at_the_start(self):
        texts = self.strings(length=61, largest=4)
        counts = [text.split("S")[1].count("a") for text in texts]
        assert set(counts) == {1, 2, 3, 4}

    def test_floor_is_the_loss_of_who_sees_the_current_symbol_alone(self):
        """After a: another a with odds q, counted; after S always a; after b: another b with odds p, counted."""
        task = make_task("anbn")
        test = task.test()
        pairs = Counter(
            zip(test.inputs.argmax(dim=-1).flatten().tolist(), test.targets.flatten().tolist(), strict=True)
        )
        shown = Counter({k: sum(n for (symbol, _), n in pairs.items() if symbol == k) for k in range(3)})
        assert set(pairs) == {(0, 1), (1, 1), (1, 2), (2, 2), (2, 0)}
        logits = torch.full((3, 3), -50.0, dtype=torch.float64)
        for (symbol, following), n in pairs.items():
            logits[symbol, following] = math.log(n / shown[symbol])
        outputs = logits[test.inputs.argmax(dim=-1)]
        assert value(task, "current symbol alone") == pytest.approx(task.score(outputs, test), rel=1e-6)

    def test_optimum_is_the_entropy_of_a_string_over_its_length(self):
        task = make_task("anbn", length=4000, largest=4)
        batch = draw(task, 20)
        expected = math.log(4) / (2 * 2.5 + 1)
        found = task._counting(batch.inputs.argmax(dim=-1), batch.targets)
        assert found == pytest.approx(expected, rel=0.02)

    def test_optimum_by_an_oracle_that_counts(self):
        task = make_task("anbn", length=20, largest=3)
        batch, total = draw(task, 100), 0.0
        for b in range(100):
            a = 0
            for shown, following in zip(
                batch.inputs[:, b].argmax(dim=-1).tolist(), batch.targets[:, b].tolist(), strict=True
            ):
                a = 0 if shown == 0 else a + (shown == 1)
                if shown == 1:
                    remaining = [n for n in (1, 2, 3) if n >= a]
                    more = sum(n > a for n in remaining) / len(remaining)
                    total -= math.log(more if following == 1 else 1 - more)
        found = task._counting(batch.inputs.argmax(dim=-1), batch.targets)
        assert found == pytest.approx(total / 2000, rel=1e-9)

    @pytest.mark.parametrize("name", ["length", "largest"])
    def test_impossible_parameters(self, name):
        with pytest.raises(BadInput, match=f"{name} must be at least 2, got 1"):
            make_task("anbn", **{name: 1})
