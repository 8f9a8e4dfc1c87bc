// One cell of the weight-stationary array: the weight stays, pixels pass to the right, sums pass down.
module ws_cell #(
    parameter int DW = 8,   // bits of a pixel
    parameter int WW = 8,   // bits of a weight
    parameter int AW = 32   // bits of a sum
) (
    input  logic                 clk,         // clock
    input  logic                 load,        // take the weight from above
    input  logic signed [WW-1:0] weight_in,   // weight from above
    output logic signed [WW-1:0] weight_out,  // weight held, to the cell below
    input  logic signed [DW-1:0] pixel_in,    // pixel from the left
    output logic signed [DW-1:0] pixel_out,   // the same pixel, one cycle later
    input  logic signed [AW-1:0] sum_in,      // partial sum from above
    output logic signed [AW-1:0] sum_out      // with this cell's product, one cycle later
);
  logic signed [DW+WW-1:0] product;
  assign product = pixel_in * weight_out;

  always_ff @(posedge clk) begin
    if (load) weight_out <= weight_in;
    pixel_out <= pixel_in;
    sum_out   <= sum_in + AW'(product);
  end
endmodule
