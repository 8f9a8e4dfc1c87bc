// The loops over folds: channel folds (C output channels each) outside, field folds (R elements of the receptive
// field each) inside. A fold loads R rows of weights, streams all pixels, and waits R+C-2 cycles for the last sum to
// cross the array: n_pixels + 2R + C - 2 cycles.
module ws_control #(
    parameter int R = 4,  // rows of the array
    parameter int C = 4   // columns of the array
) (
    input  logic        clk,         // clock
    input  logic        rst,         // reset, synchronous
    input  logic        start,       // begin the layer
    input  logic [15:0] n_pixels,    // output pixels
    input  logic [15:0] k_folds,     // field folds: ceil(K / R)
    input  logic [15:0] f_folds,     // channel folds: ceil(F / C)
    output logic        running,     // a fold is under way (counted as compute cycles)
    output logic        load,        // read a row of weights
    output logic [15:0] wt_word,     // weight word to read: folds in order, bottom row first
    output logic        stream,      // read a column of the field matrix
    output logic [15:0] px_word,     // field word to read: field fold * n_pixels + pixel
    output logic        first_fold,  // the fold starts new sums
    output logic [15:0] sum_word     // where the pixel's sums belong: channel fold * n_pixels + pixel
);
  localparam int DRAIN = R + C - 2;
  typedef enum logic [1:0] {IDLE, LOAD, STREAM, WAIT} phase_t;
  phase_t phase;
  logic [15:0] count, k_fold, f_fold, sum_base;
  logic load_end, stream_end, wait_end, fold_end, k_end, f_end;

  assign running    = phase != IDLE;
  assign load       = phase == LOAD;
  assign stream     = phase == STREAM;
  assign first_fold = k_fold == 0;
  assign sum_word   = sum_base + count;
  assign load_end   = load && count == 16'(R - 1);
  assign stream_end = stream && count == n_pixels - 16'd1;
  assign wait_end   = phase == WAIT && count == 16'(DRAIN - 1);
  assign fold_end   = DRAIN == 0 ? stream_end : wait_end;
  assign k_end      = k_fold == k_folds - 16'd1;
  assign f_end      = f_fold == f_folds - 16'd1;

  always_ff @(posedge clk) begin : phases
    if (rst) phase <= IDLE;
    else if (start) phase <= LOAD;
    else if (fold_end) phase <= k_end && f_end ? IDLE : LOAD;
    else if (load_end) phase <= STREAM;
    else if (stream_end) phase <= WAIT;
    if (start || load_end || stream_end || wait_end) count <= '0;
    else count <= count + 16'd1;
  end

  always_ff @(posedge clk) begin : folds
    if (start) begin
      k_fold <= '0;
      f_fold <= '0;
      sum_base <= '0;
      wt_word <= '0;
      px_word <= '0;
    end else begin
      if (load) wt_word <= wt_word + 16'd1;
      if (stream) px_word <= px_word + 16'd1;
      if (fold_end) k_fold <= k_end ? '0 : k_fold + 16'd1;
      if (fold_end && k_end) begin
        f_fold <= f_fold + 16'd1;
        sum_base <= sum_base + n_pixels;
        px_word <= '0;
      end
    end
  end
endmodule
