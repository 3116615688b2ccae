"""Rows of the catalogue whose tests need more than one command: where they are."""

ELSEWHERE = {
    "R1": (
        "test_disk.py::test_a_disk_that_is_full_leaves_nothing_and_is_told",
        "test_embeddings.py::test_saving_leaves_what_was_there_if_it_fails",
        "test_kills.py::test_nothing_is_lost_or_done_twice",
    ),
    "R3": (
        "test_kills.py::test_nothing_is_lost_or_done_twice",
        "test_run.py::test_a_kill_leaves_the_folder_whole_or_absent",
        "test_checkpoints.py::test_killed_for_real_after_an_epoch_and_while_writing",
    ),
    "R4": (
        "test_cli.py::test_interrupted_tune_is_status_130_and_resume_ends_where_it_would_have",
        "test_cli.py::test_a_second_interrupt_ends_at_once",
    ),
    "R5": ("test_tuning.py::test_a_search_that_runs_is_not_joined",),
    "R6": ("test_tuning.py::test_resuming_another_search_is_refused",),
    "R7": ("test_tuning.py::test_state_that_was_damaged_by_hand_is_named_and_kept",),
    "R8": ("test_tuning.py::test_a_trial_that_was_deleted_is_trained_again",),
    "N1": ("test_tuning.py::test_trials_fail_alone",),
    "N2": (
        "test_tuning.py::test_trials_fail_alone",
        "test_executors.py::test_a_process_that_dies_harms_nobody_and_leaves_its_cause",
    ),
    "N3": (
        "test_training.py::test_training_that_diverges_says_so",
        "test_tuning.py::test_trials_fail_alone",
    ),
    "N4": ("test_tuning.py::test_all_trials_failed_is_no_success",),
    "N5": (
        "test_tuning.py::test_a_trial_that_hangs_is_ended_and_the_next_one_runs",
        "test_ray.py::test_a_job_that_takes_too_long_is_ended_and_the_next_one_runs",
    ),
    "N6": ("test_devices.py::test_a_run_says_what_it_was_computed_with_and_why",),
    "N7": ("test_tuning.py::test_a_clock_that_jumps_changes_nothing",),
    "A1": (
        "test_run.py::test_a_changed_file_is_noticed",
        "test_safety.py::test_a_crafted_run_is_refused",
        "test_safety.py::test_trust_does_not_excuse_damage",
    ),
    "A2": ("test_safety.py::test_a_crafted_run_is_refused",),
    "A3": ("test_safety.py::test_a_crafted_run_is_refused",),
    "A4": (
        "test_safety.py::test_a_saved_model_is_a_program_and_needs_trust",
        "test_safety.py::test_a_program_that_is_not_trusted_does_not_run",
    ),
    "A5": ("test_export.py::test_a_difference_is_found",),
    "A6": (
        "test_serving.py::test_bad_request_is_one_line_that_names_the_place",
        "test_serving.py::test_a_body_without_end_is_refused_while_it_comes",
        "test_serving.py::test_answers_are_those_of_predict",
    ),
    "A7": (
        "test_export.py::test_a_difference_is_found",
        "test_export.py::test_probabilities_that_are_none_are_found",
    ),
}
