"""An algorithm, its promises against what is measured.

Equality is to a plain autograd loop over `network.step` in float64; what is random is judged by z-tests over its own
draws; memory is counted, not timed.
"""

from collections.abc import Callable, Mapping, Sequence

from throughtime.algorithms import Algorithm

from .check import Check, Finding, examine, make_checks
from .contract import (
    carries_the_state_on,
    fills_every_gradient,
    ignores_masked_targets,
    leaves_the_rest_alone,
    losses_are_means,
    repeats_with_its_generator,
    serves_each_precision_and_device,
    shares_sum_to_one,
    works_everywhere,
)
from .moving import (
    goes_on_as_one_sequence,
    is_exact_where_nothing_is_remembered,
    sees_each_step_of_the_optimizer,
    starts_from_clean_gradients,
)
from .promises import differentiates_what_unroll_gives, is_exact_up_to, is_online, is_unbiased

CHECKS: Sequence[Callable[[Algorithm], str]] = (
    works_everywhere,
    fills_every_gradient,
    starts_from_clean_gradients,
    shares_sum_to_one,
    losses_are_means,
    ignores_masked_targets,
    carries_the_state_on,
    goes_on_as_one_sequence,
    leaves_the_rest_alone,
    repeats_with_its_generator,
    is_exact_up_to,
    is_unbiased,
    is_exact_where_nothing_is_remembered,
    is_online,
    sees_each_step_of_the_optimizer,
    serves_each_precision_and_device,
    differentiates_what_unroll_gives,
)


def algorithm_checks(
    algorithm: Algorithm, expected_failures: Mapping[str, str] | None = None
) -> list[Check[Algorithm]]:
    """Every check of an algorithm, each to be called in a test of its own.

    >>> from throughtime.algorithms import make_algorithm
    >>> checks = algorithm_checks(make_algorithm("full"))
    >>> [str(check) for check in checks][:2]
    ['works_everywhere', 'fills_every_gradient']
    >>> checks[1]()

    Args:
        algorithm: an instance.
        expected_failures: by check's name the reason; None: those of the class attribute `expected_failures`.
    """
    return make_checks(CHECKS, algorithm, expected_failures)


def check_algorithm(algorithm: Algorithm, expected_failures: Mapping[str, str] | None = None) -> list[Finding]:
    """Verify an algorithm; what was promised and what was measured, check by check.

    Raises:
        AssertionError: a promise is not held; the message says which, what was measured, and what to look at.
    """
    return examine(algorithm_checks(algorithm, expected_failures))
