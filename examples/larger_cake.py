"""On which machine does a larger model train faster?

For eight devices of five generations: the width of the paper's character model whose whole training
is the shortest, and how much longer the narrowest and the widest take.
"""

import hwsim
from hwsim.study import total, vary
from hwsim.study.subject import Subject

MACHINES = ("maxwell", "pascal", "volta", "ampere", "hopper")
WIDTHS = vary.Variation("workload.hidden", ("256", "512", "1024", "2048", "4096"))


def main() -> None:
    print(f"{'machine':8} {'fastest width':>13} {'total':>9}   256 and 4096 take")
    for machine in MACHINES:
        system, workload = hwsim.load_system(machine), hwsim.load_workload("charlm")
        subject = Subject(system, workload, hwsim.Plan(dp=8))
        answers = vary.run(subject, WIDTHS, lambda s: hwsim.estimate(s.system, s.workload, s.plan))
        best = total.optimum(answers).best
        times = [total.time_of(answer) for answer in answers]
        print(
            f"{machine:8} {WIDTHS.values[best]:>13} {times[best]:7.1f} s"
            f"   {times[0] / times[best]:.1f} x and {times[-1] / times[best]:.1f} x as long"
        )


if __name__ == "__main__":
    main()
